"""Sources cut into what one may want to read of them: a member of a contract at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from stoker.chains.solidity.tokens import Token, tokens

_CONTRACTS: Final = frozenset(("contract", "interface", "library"))
_NAMED: Final = frozenset(("function", "modifier", "event", "error", "struct", "enum", "type"))
_ENDED: Final = frozenset(("{", ";", "=", "}"))
_DEFINITION: Final = re.compile(r"\n\s*\n(?=(?:@|def|event|struct|interface|enum|flag)\b)")
_DEFINED: Final = re.compile(r"^(?:def|event|struct|interface|enum|flag) (\w+)", re.MULTILINE)
_LONGEST: Final = 8_000


class Passage(Struct, frozen=True, kw_only=True):
    """A function, event, struct, variable ... with the comments before it."""

    file: str
    contract: str
    name: str
    text: str

    @property
    def title(self) -> str:
        return f"{self.contract}.{self.name}" if self.name else self.contract


def passages(files: Mapping[str, str]) -> list[Passage]:
    """Of all files, each text once, in time linear in their length."""
    found: dict[str, Passage] = {}
    for file, text in files.items():
        for one in list(_members(file, text)) or _paragraphs(file, text):
            found.setdefault(one.text, one)
    return list(found.values())


def _members(file: str, source: str) -> Iterator[Passage]:
    contract, depth = "", 0
    member: list[Token] = []
    begin = before = 0
    for token in tokens(source):
        if not member:
            begin = before
        before = token.end
        member.append(token)
        depth += (token.text == "{") - (token.text == "}")
        if token.text == "{" and depth == 1 and not contract:
            contract = _contract(member) or file
            text = source[begin : token.start].strip()
            yield Passage(file=file, contract=contract, name="", text=text[-_LONGEST:])
            member = []
        elif token.text in {";", "}"} and depth <= 1:
            if contract and depth == 1:
                text = source[begin : token.end].strip()[:_LONGEST]
                yield Passage(file=file, contract=contract, name=_name(member), text=text)
            elif depth <= 0:
                contract, depth = "", 0
            member = []


def _paragraphs(file: str, source: str) -> Iterator[Passage]:
    """Of what is no Solidity, such as Vyper."""
    for text in _DEFINITION.split(source):
        name = _DEFINED.search(text)
        if text.strip():
            called = name[1] if name else ""
            yield Passage(file=file, contract=file, name=called, text=text.strip()[:_LONGEST])


def _contract(member: Iterable[Token]) -> str:
    words = [one.text for one in member]
    place = next((n for n, word in enumerate(words) if word in _CONTRACTS), len(words))
    return words[place + 1] if place + 1 < len(words) else ""


def _name(member: list[Token]) -> str:
    words = [one.text for one in member]
    if words[0] in _NAMED and member[1].kind == "word":
        return words[1]
    if words[0] in _NAMED or words[0] in ("constructor", "receive", "fallback", "using"):
        return words[0]
    signs = zip(words, [*words[1:], ""], strict=True)
    end = next(n for n, (word, after) in enumerate(signs) if word in _ENDED and after != ">")
    names = [one.text for one in member[:end] if one.kind == "word"]
    return names[-1] if names else ""
