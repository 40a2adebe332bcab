"""A plan file as raw Python objects, and where each of them stands in the text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from stoker.plan import json_source
from stoker.plan.errors import PlanError, Problem, path_of, pointer, problem
from stoker.plan.tokens import Malformed, Parsed, Position, Token, locate, members, position_at

Format = Literal["json", "yaml"]

MAX_BYTES = 64 * 1024 * 1024
MAX_PROBLEMS = 1_000
"""More are counted, not told."""

# Only with one of these can a text hold a character that no plan may hold (see `_fit`).
_SUSPECT = re.compile(r"\\(?:0|x00|[uU]0000|u[dD][89a-fA-F])")
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


class Source(Struct, frozen=True):
    """A parsed document. `value` is made of dict (keys are strings), list, str, int, float,
    bool and None, at most 100 levels deep; parts of it may be shared, so never change it."""

    name: str
    text: str
    format: Format
    value: Any

    def tokens(self) -> Iterator[Token]:
        """Its tokens, scanned anew."""
        return _reader(self.format).tokens(self.text)

    def place(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems with file, line and column, in the order of the text."""
        pending = list(problems)
        if not pending:
            return []
        places = locate(self.tokens(), {path_of(fault.pointer) for fault in pending})
        placed = []
        for fault in pending:
            path = path_of(fault.pointer)
            line, column = fault.line, fault.column
            if line is None and path in places:
                member = places[path]
                exact = len(member.path) == len(path)
                line, column = member.key if fault.on_key and exact else member.value
            placed.append(replace(fault, file=self.name, line=line, column=column))
        placed.sort(key=lambda fault: (fault.line or 0, fault.column or 0))
        if len(placed) > MAX_PROBLEMS:
            more = problem((), f"and {len(placed) - MAX_PROBLEMS} more problems")
            placed[MAX_PROBLEMS:] = [replace(more, file=self.name)]
        return placed


def parse(data: str | bytes, *, name: str, faults: list[Problem] | None = None) -> Source:
    """Read a document. `name` is what problems call it; the format is told by its suffix
    (.json, .yaml, .yml), else by its first character. Faults that leave the rest readable are
    added to `faults`: of a key that comes twice the last value is taken, and for a value that
    nothing could carry another stands in. Without that list they are errors like all else.
    Raises `PlanError`."""
    text = _decoded(data if isinstance(data, bytes) else _encoded(data, name), name)
    if not text.strip():
        raise _error(name, "the document is empty; expected a map", None)
    chosen = _format(name, text)
    try:
        value, duplicate, infinite = _reader(chosen).parse(text)
    except Malformed as error:
        raise _error(name, error.message, error.position) from None
    source = Source(name, text, chosen, value)
    if value is None and chosen == "yaml":
        raise _error(name, "the document is empty; expected a map", None)
    twice = list(_duplicates(source)) if duplicate else []
    if duplicate and not twice:  # a key that is written as an alias
        raise _error(name, "a map has the same key twice", None)
    suspect = infinite or ("\\" in text and _SUSPECT.search(text))
    unfit: list[Problem] = []
    if suspect:
        source = replace(source, value=_fit(value, (), unfit))
    found = [*twice, *unfit]
    if found and (faults is None or any(fault.on_key for fault in unfit)):
        raise PlanError(source.place(found))
    if faults is not None:
        faults += found
    return source


class _Reader(Protocol):
    def parse(self, text: str, /) -> Parsed: ...

    def tokens(self, text: str, /) -> Iterator[Token]: ...


def _reader(format: Format) -> _Reader:
    if format == "json":
        return json_source
    from stoker.plan import yaml_source

    return yaml_source


def _encoded(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        message = "half of a surrogate pair, which is no character"
        raise _error(name, message, position_at(text, error.start)) from None


def _decoded(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise _error(name, f"larger than {MAX_BYTES // 1024**2} MiB", None)
    if data.startswith(_WIDE_BOMS):
        raise _error(name, "the text is UTF-16 or UTF-32; expected UTF-8", (1, 1))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # With a byte order mark, `error.object` is what follows it.
        before = error.object[: error.start].decode()
        position = position_at(before, len(before))
        byte = error.object[error.start]
        raise _error(name, f"byte 0x{byte:02x} is not UTF-8", position) from None


def _format(name: str, text: str) -> Format:
    suffix = name.rpartition(".")[2].lower()
    if suffix in ("yaml", "yml"):
        return "yaml"
    return "json" if suffix == "json" or text.lstrip()[:1] in ("{", "[") else "yaml"


def _error(name: str, message: str, position: Position | None) -> PlanError:
    line, column = position or (None, None)
    return PlanError([Problem(message=message, file=name, line=line, column=column)])


def _duplicates(source: Source) -> Iterator[Problem]:
    for member in members(source.tokens()):
        if member.duplicate:
            line, column = member.key
            yield Problem(
                message="the key is there already; expected each key once",
                pointer=pointer(member.path),
                line=line,
                column=column,
            )


def _fit(value: Any, path: tuple[str | int, ...], unfit: list[Problem]) -> Any:
    """`value` without what JSON, a database or a command line cannot carry, which is told."""
    if isinstance(value, dict):
        for key in value:
            if reason := _unfit_text(key):
                unfit.append(problem((*path, key), f"a key with {reason}", on_key=True))
        return {key: _fit(item, (*path, key), unfit) for key, item in value.items()}
    if isinstance(value, list):
        return [_fit(item, (*path, index), unfit) for index, item in enumerate(value)]
    if isinstance(value, str) and (reason := _unfit_text(value)):
        unfit.append(problem(path, f"a string with {reason}"))
        return "?"
    if isinstance(value, float) and not math.isfinite(value):
        unfit.append(problem(path, "not a finite number"))
        return 1
    return value


def _unfit_text(text: str) -> str | None:
    if "\0" in text:
        return "a NUL character, which no command line can carry"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair, which is no character"
    return None
