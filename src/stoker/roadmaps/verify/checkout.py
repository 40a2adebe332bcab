"""Trees of a repository, written one after the other into a directory that is no checkout of
its: what runs there finds no git metadata, and neither reads nor writes any.

What is to be known of files is read from git's objects and not from the directory, where links
could lead anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from stoker.together import both
from stoker.workspace import diff, snapshot
from stoker.workspace.git import Git, split
from stoker.workspace.model import FileDiff
from stoker.workspace.repository import Repository

_REGULAR: Final = frozenset(("100644", "100755"))
READABLE: Final = 2 << 20
"""Bytes of a file that is looked into at most."""
_WHOLE: Final = ("-c", "core.sparseCheckout=false")


class Entry(Struct, frozen=True):
    """A file of a tree."""

    mode: str
    oid: str
    size: int

    @property
    def readable(self) -> bool:
        """A regular file, of a size worth looking into."""
        return self.mode in _REGULAR and self.size <= READABLE


class Tree(Struct, frozen=True):
    """A tree and all files in it, by their paths."""

    oid: str
    entries: Mapping[str, Entry]


_read: Final[dict[str, Tree]] = {}
"""The last ones, which do not change: what one task has made is where the next begins."""
_MOST: Final = 8


def _kept(tree: Tree) -> Tree:
    _read[tree.oid] = tree
    while len(_read) > _MOST:
        del _read[next(iter(_read))]
    return tree


class Checkout:
    """Writes trees of `repository` into `directory`."""

    def __init__(self, repository: Repository, directory: str, index: Path) -> None:
        """`index`: a path for git's index, out of reach of what runs in `directory`."""
        base = repository.git
        self._repository = repository
        self.directory = directory
        self._git = Git(base.common_dir, base.common_dir, Path(directory), excludes=base.excludes)
        self._index = {"GIT_INDEX_FILE": str(index)}

    async def tree(self, oid: str) -> Tree:
        """A tree, by its object id."""
        if (known := _read.pop(oid, None)) is None:
            entries = {}
            for record in split((await self._git.run("ls-tree", "-r", "-z", "-l", oid)).stdout):
                facts, _, path = record.partition("\t")
                mode, _, blob, size = facts.split()
                entries[path] = Entry(mode, blob, int(size) if size.isdigit() else 0)
            known = Tree(oid, entries)
        return _kept(known)

    async def both(self, base: str, commit: str) -> tuple[Tree, Tree, list[FileDiff]]:
        """The trees of two commits, and what they differ in."""
        oids, changed = await both(
            self._git.text("rev-parse", f"{base}^{{tree}}", f"{commit}^{{tree}}"),
            diff.between(self._repository, base, commit, contents=False),
        )
        first, second = oids.split()
        before = await self.tree(first)
        news = {one.new_path: one for one in changed if one.new_path is not None}
        sizes = await diff.sizes(self._git, {one.new_oid or "" for one in news.values()})
        entries = dict(before.entries)
        for one in changed:
            entries.pop(one.old_path or "", None)
        for path, one in news.items():
            oid = one.new_oid or ""
            entries[path] = Entry(one.new_mode or "", oid, sizes.get(oid, 0))
        return before, _kept(Tree(second, entries)), changed

    async def read(self, tree: Tree, paths: Iterable[str]) -> dict[str, bytes]:
        """Contents of those of the files that can be read."""
        wanted = {p: e.oid for p in paths if (e := tree.entries.get(p)) and e.readable}
        found = await diff.blobs_of(self._git, set(wanted.values()))
        return {path: found[oid] for path, oid in wanted.items() if oid in found}

    async def entry(self, data: bytes, mode: str) -> Entry:
        """A file with this content, kept in the repository."""
        oid = await self._git.text("hash-object", "-w", "--stdin", stdin=data)
        return Entry(mode, oid, len(data))

    async def edited(self, tree: Tree, changes: Mapping[str, Entry | None]) -> Tree:
        """`tree` with other files; None: without it."""
        if not changes:
            return tree
        lines = (
            f"{entry.mode} {entry.oid}\t{path}" if entry else f"0 {'0' * len(tree.oid)}\t{path}"
            for path, entry in changes.items()
        )
        return await self.tree(await snapshot.edited(self._git, tree.oid, lines))

    async def write(self, tree: Tree) -> None:
        """Make the directory hold the files of `tree`."""
        await self._git.run(*_WHOLE, "read-tree", "--reset", "-u", tree.oid, env=self._index)

    async def clean(self) -> None:
        """Remove what was left in the directory and is not ignored by what was written."""
        await self._git.run("clean", "-ffdq", env=self._index)
