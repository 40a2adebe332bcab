"""JSON with the places of its objects and of some of their members: what is needed to change
one value and nothing else.

The standard library decodes, once; where braces and the members that are asked for stand is
found in one pass of a regular expression over the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from stoker.roadmaps.document import Mark
from stoker.roadmaps.format import NotReadable, Source
from stoker.roadmaps.text import Text

_SPACE = re.compile(r"[ \t\r\n]*")
_NEXT = re.compile(r"(?:[ \t\r\n]*,[ \t\r\n]*)?")
"""What stands before a further value, if there is one."""
_DECODE = json.JSONDecoder(strict=False).scan_once  # type: ignore[attr-defined]
"""For what was decoded once, and so is right."""
_DEEPEST = 100


class Object(dict[str, Any]):
    """An object; `start`: the offset of its brace."""

    __slots__ = ("start",)
    start: int


class Json:
    """A document. Offsets count characters of `source.text`."""

    def __init__(self, source: Text, *members: str) -> None:
        """`members`: names whose values' places can be asked for. Raises `NotReadable`."""
        self.source = source
        self._places: dict[str, dict[int, int]] = {name: {} for name in members}
        text = source.text
        start = _skip(text, 1 if text.startswith("\ufeff") else 0)
        closed = iter(self._scan(_events(members), start))

        def made(pairs: list[tuple[str, Any]]) -> Object:
            found = Object(pairs)
            found.start = next(closed, 0)
            return found

        decoder = json.JSONDecoder(strict=False, object_pairs_hook=made)
        try:
            self.value, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise self._wrong(error.pos, error.msg) from error
        except (RecursionError, ValueError) as error:
            raise self._wrong(start, "nested too deep, or a number too long") from error
        if (rest := _skip(text, end)) < len(text):
            raise self._wrong(rest, "more after its end")

    def place(self, owner: Object) -> tuple[int, int]:
        """Line and column of an object."""
        return self.source.place(owner.start)

    def offset(self, owner: Object, name: str) -> int:
        """Where a member's value begins, or else its object."""
        return self._places[name].get(owner.start, owner.start)

    def mark(self, owner: Object, name: str) -> Mark | None:
        """Where a member's value stands, or, of an object without it, where `written` puts it;
        None if its name is written in escapes."""
        text = self.source.text
        at = self._places[name].get(owner.start)
        if at is not None:
            return self.source.mark(at, _DECODE(text, at)[1])
        if name in owner:
            return None
        return self.source.mark(owner.start, _skip(text, owner.start + 1))

    def items(self, owner: Object, name: str) -> Iterator[tuple[tuple[int, int], Any]]:
        """The items of a member that is an array, with line and column; none of other values."""
        at = self._places[name].get(owner.start)
        values = owner.get(name)
        if at is None or not isinstance(values, list):
            return
        if all(type(value) is Object for value in values):
            for value in values:
                yield self.place(value), value
            return
        text = self.source.text
        at = _skip(text, at + 1)
        for value in values:
            yield self.source.place(at), value
            end = _DECODE(text, at)[1]
            at = _NEXT.match(text, end).end()  # type: ignore[union-attr]

    def _scan(self, event: re.Pattern[str], at: int) -> list[int]:
        """The offsets of objects, in the order in which they end; places of members are noted.
        Raises `NotReadable` if they nest too deep."""
        text, places = self.source.text, self._places
        found: list[int] = []
        open_: list[int] = []
        while met := event.match(text, at):
            at = met.end()
            brace, name = met.groups()
            if brace == "{":
                open_.append(at - 1)
                if len(open_) > _DEEPEST:
                    raise self._wrong(at - 1, "nested too deep")
            elif brace and open_:
                found.append(open_.pop())
            elif name and open_:
                places[name][open_[-1]] = at
            elif not brace:
                break
        return found

    def _wrong(self, offset: int, reason: str) -> NotReadable:
        line, column = self.source.place(offset)
        return NotReadable(f"{self.source.path}:{line}:{column}: not JSON: {reason}")


@cache
def _events(members: tuple[str, ...]) -> re.Pattern[str]:
    """What comes next outside of strings: a brace, a member with its colon, or nothing."""
    names = "|".join(members)
    space, rest = r"[ \t\r\n]*+", r'[^"{}]*+'
    string = rf'"(?!(?:{names})"{space}:)[^"\\]*+(?:\\.[^"\\]*+)*+"'
    return re.compile(
        rf'{rest}(?:{string}{rest})*+(?:([{{}}])|"({names})"{space}:{space}|\Z)', re.DOTALL
    )


def recognised(
    source: Source, path: Path | None, fits: Callable[[Any], object], *, named: bool
) -> int:
    """How sure a format of JSON is of a file: by what is in it, or, that what is wrong with it
    may be told, by its name. See `format.Format.recognises`."""
    if path is None or path.suffix != ".json":
        return 0
    try:
        value = Json(Text(source.read(path), str(path)), "status").value
    except NotReadable:
        return 60 if named else 0
    return 95 if fits(value) else 0


def written(mark: Mark, name: str, value: str) -> str:
    """What takes the place of a mark of `Json.mark`, so that `name` has this JSON."""
    if not mark.text.startswith("{"):
        return value
    return f'{mark.text}"{name}": {value},{mark.text[1:]}'


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
