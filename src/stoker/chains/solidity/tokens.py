"""Solidity as tokens: what is looked for in a source is neither in its comments nor its strings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from stoker.chains.address import checksummed

Kind = Literal["word", "text", "number", "sign"]

# Every alternative takes what it begins with to some end, closed or not, so that no source has
# the scanner look at a character twice.
_TOKEN: Final = re.compile(
    r"""
      //[^\n\r]*+
    | /\*(?:[^*]++|\*(?!/))*+(?:\*/)?
    | (?P<text>(?:hex|unicode)?(?:"(?:[^"\\\n\r]++|\\[\s\S])*+"?|'(?:[^'\\\n\r]++|\\[\s\S])*+'?))
    | (?P<number>\d[\w.]*+)
    | (?P<word>[A-Za-z_$][\w$]*+)
    | (?P<sign>[^\s\w])
    """,
    re.VERBOSE | re.ASCII,
)
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


class Token(Struct, frozen=True):
    kind: Kind
    text: str
    start: int
    """Index of its first character."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tokens(source: str) -> Iterator[Token]:
    """Those of a source, in time linear in its length; comments and spaces are left out. What is
    no Solidity gives tokens too: the compiler says what is wrong with it."""
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup
        if kind is not None:
            yield Token(kind, match[0], match.start())  # type: ignore[arg-type]


def content(text: str) -> str:
    """What stands between the quotes of a token of kind `text`, escapes as they are."""
    quoted = text[text.index('"' if text.endswith('"') else "'") :]
    return quoted[1:-1]


def place(source: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    line = source.count("\n", 0, index)
    return line + 1, index - source.rfind("\n", 0, index)


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
