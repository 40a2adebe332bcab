"""The index of a repository: what its files define, import and speak of, kept up to date.

A file of SQLite's, private to its user, that may be deleted at any time: it is made anew. A file
is known by the name git gives its content: what is the same in the tree that was indexed before is
not looked at, whichever worktree that was checked out in.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final, NamedTuple

from stoker.roadmaps.context.graph import Graph, file_of
from stoker.roadmaps.context.imports import named, specs
from stoker.roadmaps.context.languages import MAX_BYTES, language, prior, readable
from stoker.roadmaps.context.outline import outline
from stoker.roadmaps.context.reading import Checkout
from stoker.roadmaps.context.symbols import Symbol, names
from stoker.roadmaps.context.words import WORD, all_parts, parts, vocabulary
from stoker.workspace.errors import GitFailed
from stoker.workspace.git import Git

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE files(
  id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, digest BLOB NOT NULL,
  names TEXT NOT NULL, named TEXT NOT NULL, imports TEXT NOT NULL);
CREATE VIRTUAL TABLE text USING fts5(
  path, symbols, words, parts, tokenize="porter unicode61 tokenchars '_'");
"""
_SEARCH: Final = (  # with the weights of the columns
    "SELECT f.path, bm25(text, 4.0, 3.0, 1.0, 0.5) AS score FROM text "
    "JOIN files f ON f.id = text.rowid WHERE text MATCH ? ORDER BY score, f.path LIMIT ?"
)
_PLAIN: Final = ("100644", "100755")
"""Modes of git's that are neither links nor other repositories."""
_CANDIDATES: Final = 100
_COMMON: Final = 0.15
_FEW: Final = 50
_LONG_LINE: Final = 2000
"""Characters a line on average has in what no person wrote."""


class Changes(NamedTuple):
    """What an update found, in files."""

    indexed: int
    removed: int
    total: int


class Hit(NamedTuple):
    """A file that matches, and how well: higher is better."""

    path: str
    score: float


class _Known(NamedTuple):
    id: int
    digest: bytes


class Index:
    """The index of one repository. One at a time for a file of it; its methods may be called from
    any thread."""

    def __init__(self, file: Path) -> None:
        """Use `open`."""
        self.file = file
        self.graph = Graph()
        self.checkout = Checkout(file.parent)
        self.cache: dict[Hashable, Any] = {}
        """What was found out from it, by what was asked; forgotten when it changes."""
        self._tree = ""
        """What it is of; empty: that is still to be seen."""
        self._known: dict[str, _Known] = {}
        self._outlines: dict[str, tuple[Symbol, ...]] = {}
        self.lock = threading.RLock()
        """Held while the index changes, and by who wants it to stay as it is for a while."""
        self._connection = self._connect()

    @classmethod
    def open(cls, file: Path) -> Index:
        """The index kept at `file`, which is made if it is not there, or no index of this
        version. Raises `OSError`, `sqlite3.Error`."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        try:
            return cls(file)
        except sqlite3.DatabaseError:
            for name in (file, file.with_name(f"{file.name}-journal")):
                name.unlink(missing_ok=True)
            file.touch(mode=0o600)
            return cls(file)

    def close(self) -> None:
        """Give the file up."""
        with self.lock:
            self._connection.close()

    async def update(self, git: Git, tree: str) -> Changes:
        """Make it that of a tree or commit, which is what is checked out in the working tree of
        `git`. Raises `GitFailed`, `sqlite3.Error`."""
        if git.work_tree is None:
            raise NotADirectoryError(
                f"{git.git_dir}: expected a working tree, found a bare repository"
            )
        found = await self._changed(git, tree)
        if found is None:
            found = dict.fromkeys(self._known, b"")
            for record in await git.records("ls-tree", "-r", "-z", tree):
                facts, _, path = record.partition("\t")
                mode, _, name = facts.split(" ")
                found[path] = bytes.fromhex(name) if mode in _PLAIN else b""
        self._tree = ""
        changes = await asyncio.to_thread(self.take, git.work_tree, found)
        self._tree = tree
        return changes

    async def _changed(self, git: Git, tree: str) -> dict[str, bytes] | None:
        """What `take` is told of a tree; None: it is not known what has changed."""
        if not self._tree:
            return None
        args = ("diff-tree", "-r", "-z", "--no-renames", self._tree, tree)
        try:
            records = iter(await git.records(*args))
        except GitFailed:  # the tree before is gone
            return None
        found = {}
        for facts in records:
            _, mode, _, name, _ = facts.split(" ")
            found[next(records)] = bytes.fromhex(name) if mode in _PLAIN else b""
        return found

    def take(self, root: Path, changed: Mapping[str, bytes]) -> Changes:
        """Take in files beneath `root`, by their paths the names git has for their contents;
        empty: it is there no more."""
        with self.lock:
            self.checkout = Checkout(root)
            known = self._known
            gone = [path for path, name in changed.items() if not name and path in known]
            new = {
                path: name
                for path, name in changed.items()
                if name and _tellable(path)
                if (before := known.get(path)) is None or before.digest != name
            }
            count = 0
            if gone or new:
                try:
                    with self._connection as connection:
                        self._forget(connection, gone)
                        for path, name in new.items():
                            count += self._replace(connection, path, name)
                except BaseException:
                    self._load(self._connection)  # as it stands in the file
                    raise
                if gone or count:
                    self.cache.clear()
            self.graph.settle()
            return Changes(count, len(gone), len(known))

    def search(self, terms: Iterable[str], limit: int = 20) -> list[Hit]:
        """Files that speak of any of `terms`, the best first."""
        counts = self.frequencies(terms)
        common = max(_COMMON * len(self._known), _FEW)
        chosen = [term for term, count in counts.items() if 0 < count <= common]
        # What stands everywhere tells little, and takes long.
        chosen = chosen or [term for term, count in counts.items() if count]
        if not chosen:
            return []
        query = " OR ".join(f'"{term}"' for term in chosen)
        with self.lock:
            rows = self._connection.execute(_SEARCH, (query, _CANDIDATES)).fetchall()
        hits = (Hit(path, -score * prior(path)) for path, score in rows)
        return sorted(hits, key=lambda hit: (-hit.score, hit.path))[:limit]

    def frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """In how many files each of `terms` stands, in any of its forms."""
        sql = "SELECT count(*) FROM text WHERE text MATCH ?"
        with self.lock:
            return {
                term: self._connection.execute(sql, (f'"{term}"',)).fetchone()[0]
                for term in terms
                if '"' not in term
            }

    def words(self, path: str) -> Set[str]:
        """The identifiers in a file."""
        known = self._known.get(path)
        if known is None:
            return frozenset()
        with self.lock:
            row = self._connection.execute("SELECT words FROM text WHERE rowid = ?", (known.id,))
            return frozenset(row.fetchone()[0].split(" "))

    def text(self, path: str) -> str | None:
        """A file's text, if the index knows the file and it is still there."""
        return self.checkout.text(path) if path in self._known else None

    def outline(self, path: str, text: str) -> tuple[Symbol, ...]:
        """The definitions in a file of the index, whose text this is; found once."""
        with self.lock:
            found = self._outlines.get(path)
            if found is None:
                found = self._outlines[path] = outline(language(path), text)
            return found

    @property
    def paths(self) -> Sequence[str]:
        """Every file, sorted."""
        return sorted(self._known)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, check_same_thread=False)
        try:
            # It can be made anew: what a power cut does to it need not be guarded against.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:  # of another version, it fails here: its tables are there
                connection.executescript(f"{_SCHEMA}PRAGMA user_version = {_VERSION};")
            self._load(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _load(self, connection: sqlite3.Connection) -> None:
        self.graph = Graph()
        self._known.clear()
        self._outlines.clear()
        self.cache.clear()
        for row in connection.execute("SELECT id, path, digest, names, named, imports FROM files"):
            self._learn(*row)

    def _learn(
        self, number: int, path: str, digest: bytes, defines: str, name: str, wanted: str
    ) -> None:
        self._known[path] = _Known(number, digest)
        defined = tuple(defines.split("\n")) if defines else ()
        imported = wanted.split("\n") if wanted else ()
        self.graph.add(file_of(number, path, language(path), defined, name, imported))

    def _forget(self, connection: sqlite3.Connection, paths: Iterable[str]) -> None:
        for path in paths:
            number = self._known.pop(path).id
            self._outlines.pop(path, None)
            connection.execute("DELETE FROM files WHERE id = ?", (number,))
            connection.execute("DELETE FROM text WHERE rowid = ?", (number,))
            self.graph.remove(path)

    def _replace(self, connection: sqlite3.Connection, path: str, digest: bytes) -> bool:
        """Take in a file that is another; whether there was or is one."""
        data = self.checkout.read(path, MAX_BYTES + 1)
        there = path in self._known
        self._forget(connection, [path] if there else ())
        if data is None:
            return there
        shown = readable(path, len(data)) and not _unreadable(data)
        self._add(connection, path, digest, data if shown else b"")
        return True

    def _add(self, connection: sqlite3.Connection, path: str, digest: bytes, data: bytes) -> None:
        kind, text = language(path), data.decode("utf-8", "replace")
        defined = names(kind, text)
        wanted = specs(kind, text)
        name = named(kind, text)
        row = (path, digest, "\n".join(defined), name, "\n".join(wanted))
        number = connection.execute(
            "INSERT INTO files(path, digest, names, named, imports) VALUES(?,?,?,?,?)", row
        ).lastrowid
        words = vocabulary(data)
        connection.execute(
            "INSERT INTO text(rowid, path, symbols, words, parts) VALUES(?,?,?,?,?)",
            (
                number,
                " ".join(_spoken(WORD.findall(path))),
                " ".join(_spoken(defined)),
                " ".join(words),
                " ".join(all_parts(words)),
            ),
        )
        self._learn(number or 0, path, *row[1:])


def _spoken(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        yield word
        yield from parts(word)


def _tellable(path: str) -> bool:
    """A name that is no UTF-8 cannot be told to anybody."""
    return path.isascii() or path.isprintable()


def _unreadable(data: bytes) -> bool:
    """Whether it is binary, or was written by a machine for machines."""
    return b"\0" in data[:8192] or len(data) > _LONG_LINE * (data.count(b"\n") + 1)
