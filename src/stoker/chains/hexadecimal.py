"""Numbers and bytes as JSON-RPC writes them, read from a node that is not trusted. Every reader
raises `ValueError`, which says what was found and what was expected."""

from __future__ import annotations

import re
from typing import Any, Final

_QUANTITY: Final = re.compile(r"0[xX][0-9a-fA-F]{1,64}\Z")
_DATA: Final = re.compile(r"0[xX][0-9a-fA-F]*\Z")


def quantity(value: Any, bits: int = 256) -> int:
    """A number of at most `bits` bits. Leading zeros are let pass: nodes write some."""
    if not isinstance(value, str) or not _QUANTITY.match(value):
        raise ValueError(f"no quantity (0x and at most 64 digits): {excerpt(value)}")
    number = int(value, 16)
    if number.bit_length() > bits:
        raise ValueError(f"no quantity of {bits} bits: {excerpt(value)}")
    return number


def data(value: Any, length: int | None = None) -> bytes:
    """Bytes; `length` of them, if that is said."""
    if not isinstance(value, str) or len(value) % 2 or not _DATA.match(value):
        raise ValueError(f"no bytes (0x and pairs of digits): {excerpt(value)}")
    found = bytes.fromhex(value[2:])
    if length is not None and len(found) != length:
        raise ValueError(f"{len(found)} bytes instead of {length}: {excerpt(value)}")
    return found


def text(value: bytes) -> str:
    """`0x` and two digits for each byte."""
    return f"0x{value.hex()}"


def word(value: int) -> str:
    """32 bytes, as keys and values of storage are written."""
    return f"0x{value:064x}"


def excerpt(value: Any, length: int = 80) -> str:
    """A value from outside, to be told to a person: on one line, cut, nothing invisible."""
    shown = value if isinstance(value, str) else repr(value)
    cut = "".join(one if one.isprintable() else " " for one in shown[:length])
    return cut if len(shown) <= length else f"{cut}…"
