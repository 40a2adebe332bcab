"""console.log, as forge prints it."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

_KINDS = ("uint256", "string", "bool", "address")
_SPECIFIER = re.compile(r"%(?:(\d{1,2})?(e)|([sdiox%]))|%")
"""Numbers have no more digits than the places by which the first moves the point."""


def _signatures() -> dict[bytes, list[str]]:
    listed: list[tuple[str, list[str]]] = []
    for count in range(5):
        for kinds in product(_KINDS, repeat=count):
            listed.append(("log", list(kinds)))
    listed += [("log", [kind]) for kind in ("int256", "bytes", "bytes32")]
    listed += [("log", ["string", "int256"])]
    names = {"logUint": "uint256", "logInt": "int256", "logString": "string", "logBool": "bool"}
    names |= {"logAddress": "address", "logBytes": "bytes"}
    names |= {f"logBytes{size}": f"bytes{size}" for size in range(1, 33)}
    listed += [(name, [kind]) for name, kind in names.items()]
    found: dict[bytes, list[str]] = {}
    for name, types in listed:
        text = f"{name}({','.join(types)})"
        found[keccak(text=text)[:4]] = types
        if "int256" in text:  # as older consoles have it, whose signatures are none of Solidity's
            found[keccak(text=text.replace("int256", "int"))[:4]] = types
    return found


_SIGNATURES = _signatures()


def printed(data: bytes) -> str | None:
    """What a call of the console prints; None: nothing that it knows."""
    kinds = _SIGNATURES.get(data[:4])
    if kinds is None:
        return None
    try:
        values = decode(kinds, data[4:])
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return None
    rest = list(zip(kinds, values, strict=True))
    if rest and kinds[0] == "string":
        text = _formatted(rest.pop(0)[1], rest)
        return " ".join([text, *(text_of(kind, value) for kind, value in rest)])
    return " ".join(text_of(kind, value) for kind, value in rest)


def text_of(kind: str, value: Any) -> str:
    if kind == "bool":
        return "true" if value else "false"
    if kind == "address":
        return to_checksum_address(value)
    if kind.startswith("bytes"):
        return f"0x{value.hex()}"
    return str(value)


def _formatted(text: str, rest: list[tuple[str, Any]]) -> str:
    """Specifiers replaced by what is taken off `rest`."""

    def replaced(found: re.Match[str]) -> str:
        digits, exponential, sign = found.groups()
        if sign == "%":
            return "%"
        name = "e" if exponential else sign
        if name is None or not rest:
            return found[0]
        kind, value = rest.pop(0)
        return _specified(name, kind, value, digits)

    return _SPECIFIER.sub(replaced, text)


def _specified(name: str, kind: str, value: Any, digits: str | None) -> str:
    """A value by its specifier, `e` that of numbers in powers of ten."""
    if kind in ("uint256", "int256"):
        if name == "x":
            return hex(value % 2**256)
        return _exponential(value, digits) if name == "e" else str(value)
    shown = text_of(kind, value)
    if name == "s":
        return shown
    if name == "o":
        return f"'{shown}'"
    if name == "d" and kind == "bool":
        return str(int(value))
    if name == "x" and (kind == "address" or kind.startswith("bytes")):
        return shown
    return "NaN"


def _exponential(value: int, digits: str | None) -> str:
    sign, size = ("-" if value < 0 else ""), abs(value)
    if digits is not None:  # %18e: in units of so many digits
        whole, rest = divmod(size, 10 ** int(digits))
        fraction = str(rest).rjust(int(digits), "0").rstrip("0")
        return f"{sign}{whole}{'.' if fraction else ''}{fraction}"
    figures = str(size)
    fraction = figures[1:].rstrip("0")
    return f"{sign}{figures[0]}{'.' if fraction else ''}{fraction}e{len(figures) - 1}"
