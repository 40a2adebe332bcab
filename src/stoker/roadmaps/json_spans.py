"""JSON with the places of its values: what is needed to change one and nothing else.

The standard library decodes; here only the objects and arrays that a reader looks into are
walked, member by member, so that a large file costs little more than decoding it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from stoker.roadmaps.document import Mark
from stoker.roadmaps.format import NotReadable, Source
from stoker.roadmaps.text import Text

_SPACE = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r'"([^"\\]*)"[ \t\r\n]*:[ \t\r\n]*')
_COLON = re.compile(r"[ \t\r\n]*:[ \t\r\n]*")
_NEXT = re.compile(r"(?:[ \t\r\n]*,[ \t\r\n]*)?")
"""What stands before a further value, if there is one."""
_DECODER = json.JSONDecoder(strict=False)
_DECODE = _DECODER.scan_once  # type: ignore[attr-defined]
"""For what was decoded once, and so is right."""


class Span(Struct, frozen=True, gc=False):
    """A value and where it stands, in characters of `source.text`."""

    source: Text
    start: int
    end: int
    value: Any

    def members(self) -> dict[str, Span]:
        """Those of an object, in the file's order; empty for other values. Of a name that
        stands twice the last counts, as everywhere."""
        if not isinstance(self.value, dict) or not self.value:
            return {}
        source, text = self.source, self.source.text
        found = {}
        at = _skip(text, self.start + 1)
        while True:
            if plain := _NAME.match(text, at):
                name, start = plain[1], plain.end()
            else:
                name, at = _DECODE(text, at)
                start = _COLON.match(text, at).end()  # type: ignore[union-attr]
            value, end = _DECODE(text, start)
            found[name] = Span(source, start, end, value)
            at = _NEXT.match(text, end).end()  # type: ignore[union-attr]
            if at == end:
                return found

    def place_of(self, name: str) -> Mark:
        """Where a member's value stands, or, of an object without it, where `written` puts it."""
        found = self.members().get(name)
        if found is not None:
            return self.source.mark(found.start, found.end)
        return self.source.mark(self.start, _skip(self.source.text, self.start + 1))

    def items(self) -> Iterator[Span]:
        """Those of an array; none of other values."""
        if not isinstance(self.value, list) or not self.value:
            return
        source, text = self.source, self.source.text
        at = _skip(text, self.start + 1)
        while True:
            value, end = _DECODE(text, at)
            yield Span(source, at, end, value)
            at = _NEXT.match(text, end).end()  # type: ignore[union-attr]
            if at == end:
                return


def recognised(
    source: Source, path: Path | None, fits: Callable[[Any], object], *, named: bool
) -> int:
    """How sure a format of JSON is of a file: by what is in it, or, that what is wrong with it
    may be told, by its name. See `format.Format.recognises`."""
    if path is None or path.suffix != ".json":
        return 0
    try:
        value = spans(Text(source.read(path), str(path))).value
    except NotReadable:
        return 60 if named else 0
    return 95 if fits(value) else 0


def spans(source: Text) -> Span:
    """The document. Raises `NotReadable`."""
    text = source.text
    start = _skip(text, 1 if text.startswith("\ufeff") else 0)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _wrong(source, error.pos, error.msg) from error
    except (RecursionError, ValueError) as error:
        raise _wrong(source, start, "nested too deep, or a number too long") from error
    if (rest := _skip(text, end)) < len(text):
        raise _wrong(source, rest, "more after its end")
    return Span(source, start, end, value)


def written(mark: Mark, name: str, value: str) -> str:
    """What takes the place of a mark of `Span.place_of`, so that `name` has this JSON."""
    if not mark.text.startswith("{"):
        return value
    return f'{mark.text}"{name}": {value},{mark.text[1:]}'


def _wrong(source: Text, offset: int, reason: str) -> NotReadable:
    line, column = source.place(offset)
    return NotReadable(f"{source.path}:{line}:{column}: not JSON: {reason}")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
