"""Addresses that stand in sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from stoker.chains.address import checksummed
from stoker.chains.solidity.tokens import tokens

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


def addresses(source: str) -> Iterator[tuple[int, str, str]]:
    """Index, text and right form of each, strings and comments and longer literals aside."""
    for one in tokens(source):
        if one.kind == "number" and _ADDRESS.fullmatch(one.text):
            yield one.start, one.text, checksummed(bytes.fromhex(one.text[2:]))


def with_checksums(source: str) -> str:
    """The source with the checksum on every address that has none: all in small letters, or all in
    capitals. One with a wrong checksum may be another address, and stays for `review` to tell."""
    parts: list[str] = []
    last = 0
    for at, found, right in addresses(source):
        digits = found[2:]
        if digits in (digits.lower(), digits.upper()):
            parts += source[last:at], right
            last = at + len(found)
    return "".join((*parts, source[last:]))
