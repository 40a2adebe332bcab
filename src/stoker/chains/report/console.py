"""What scripts and contracts print with `console.log`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any, Final

from stoker.chains.address import checksummed
from stoker.chains.evm.frame import Frame
from stoker.chains.report.abi import Entry, Parameter, decoded
from stoker.chains.report.known import CONSOLE
from stoker.chains.report.walk import walk

_MAX_LINES: Final = 1_000
_MAX_LINE: Final = 4_096
_KINDS: Final = ("uint256", "string", "bool", "address")
_PLACE: Final = re.compile(r"%(%|s|d|i|o|e|x|\d+e)")


@cache
def _entries() -> dict[bytes, Entry]:
    """Of forge-std's console: `log` of up to four arguments, and one function for each type."""
    named = [("log", kinds) for count in range(5) for kinds in product(_KINDS, repeat=count)]
    named += [("log", ("int256",)), ("log", ("string", "int256"))]
    for kind in ("int256", *_KINDS, "bytes", *(f"bytes{size}" for size in range(1, 33))):
        title = {"uint256": "Uint", "int256": "Int"}.get(kind, kind.capitalize())
        named.append((f"log{title}", (kind,)))
    table = {}
    for name, kinds in named:
        entry = Entry("function", name, tuple(Parameter("", kind) for kind in kinds))
        table[entry.topic[:4]] = entry
        # the first consoles hashed `uint` and `int` as they are written, and are still about
        old = Entry("function", name, tuple(Parameter("", _short(kind)) for kind in kinds))
        table.setdefault(old.topic[:4], entry)
    return table


def _short(kind: str) -> str:
    return kind.removesuffix("256") if "int" in kind else kind


def console_line(data: bytes) -> str | None:
    """What a call to the console prints, by its input; None: nothing that it knows."""
    entry = _entries().get(data[:4])
    values = decoded(entry.inputs, data[4:]) if entry else None
    if entry is None or values is None:
        return None
    shown = [_text(one.type, value) for one, value in zip(entry.inputs, values, strict=True)]
    if shown and entry.inputs[0].type == "string":
        return _formatted(shown[0], list(zip(shown[1:], values[1:], strict=True)))[:_MAX_LINE]
    return " ".join(shown)[:_MAX_LINE]


def console_lines(frame: Frame) -> tuple[str, ...]:
    """What was printed in a frame, reverted or not."""
    return tuple(line for line, _ in zip(_lines(frame), range(_MAX_LINES), strict=False))


def _lines(frame: Frame) -> Iterator[str]:
    for one in walk(frame):
        if one.to == CONSOLE:
            line = console_line(one.input)
            if line is not None:
                yield line


def _text(kind: str, value: Any) -> str:
    if kind == "address":
        return checksummed(bytes.fromhex(value[2:]))
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _formatted(text: str, rest: Sequence[tuple[str, Any]]) -> str:
    """`%s` and its like are replaced by what follows; what is left over is appended."""
    left = list(rest)

    def place(match: re.Match[str]) -> str:
        which = match.group(1)
        if which == "%":
            return "%"
        if not left:
            return match.group()
        shown, value = left.pop(0)
        if isinstance(value, int) and not isinstance(value, bool):
            if which == "x":
                return hex(value)
            if which.endswith("e"):
                return _scaled(value, which[:-1])
        return shown

    return " ".join([_PLACE.sub(place, text) if rest else text, *(shown for shown, _ in left)])


def _scaled(value: int, places: str) -> str:
    """`%18e`: with the point moved so far to the left; `%e`: in scientific notation."""
    if not places:
        digits = str(abs(value)).rstrip("0") or "0"
        exponent = len(str(abs(value))) - 1
        point = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
        return f"{'-' if value < 0 else ''}{point}e{exponent}"
    many = min(int(places), 77)
    whole, part = divmod(abs(value), 10**many)
    fraction = str(part).rjust(many, "0").rstrip("0") if many else ""
    return f"{'-' if value < 0 else ''}{whole}{'.' + fraction if fraction else ''}"
