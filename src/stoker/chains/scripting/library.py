"""What there is to read about contracts, ranked by what one asks for."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Final

from stoker.chains.sources.contract_source import ContractSource
from stoker.chains.sources.passages import Passage, passages

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MOST_WORDS: Final = 64


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
