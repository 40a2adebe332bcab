"""What there is to read about contracts: their sources, cut into a member of a contract at a time,
and ranked by what one asks for."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from stoker.chains.solidity.tokens import Token, tokens
from stoker.chains.sources.contract_source import ContractSource

_CONTRACTS: Final = frozenset(("contract", "interface", "library"))
_NAMED: Final = frozenset(("function", "modifier", "event", "error", "struct", "enum", "type"))
_ENDED: Final = frozenset(("{", ";", "=", "}"))
_DEFINITION: Final = re.compile(r"\n\s*\n(?=(?:@|def|event|struct|interface|enum|flag)\b)")
_DEFINED: Final = re.compile(r"^(?:def|event|struct|interface|enum|flag) (\w+)", re.MULTILINE)
_LONGEST: Final = 8_000
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MOST_WORDS: Final = 64


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


class Library:
    """Sources and their comments, a member of a contract at a time. Close it."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Passage]] = []
        self._added: set[tuple[int, str]] = set()
        self._database = sqlite3.connect(":memory:")
        self._database.execute("CREATE VIRTUAL TABLE passage USING fts5(title, words, body)")

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    def add(self, sources: Iterable[ContractSource]) -> None:
        """Those that are not there yet."""
        for source in sources:
            key = (source.chain_id, source.address)
            if key in self._added:
                continue
            self._added.add(key)
            for one in passages(source.files):
                self._entries.append((source.address, one))
                row = (len(self._entries), one.title, " ".join(_words(one.title)), one.text)
                insert = "INSERT INTO passage(rowid, title, words, body) VALUES (?, ?, ?, ?)"
                self._database.execute(insert, row)

    def search(self, query: str, limit: int, address: str | None = None) -> list[Passage]:
        """The best first. `address`: only of this contract's sources."""
        words = list(dict.fromkeys(_words(query)))[:_MOST_WORDS]
        whole = [one for one in re.findall(r"\w+", query) if one not in words][:_MOST_WORDS]
        asked = " OR ".join(f'"{word}"' for word in (*whole, *words))
        if not asked:
            return []
        rows = self._database.execute(
            "SELECT rowid FROM passage WHERE passage MATCH ? ORDER BY bm25(passage, 8, 4, 1)",
            (asked,),
        )
        found: dict[str, Passage] = {}
        for (number,) in rows:
            where, one = self._entries[number - 1]
            if address in (None, where):
                found.setdefault(one.text, one)
            if len(found) == limit:
                break
        return list(found.values())


def _words(text: str) -> list[str]:
    """`swapExactTokens` is three."""
    return [word.lower() for word in _WORD.findall(text)]
