"""Git, read only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MARKDOWN = (":(glob,icase)**/*.md", ":(glob,icase)**/*.markdown")
_RENAME = ("-M", "-l5000")


class GitFailed(Exception):
    """Git said no; the message is what it said."""


@dataclass(frozen=True)
class Change:
    """One document between a commit's parent and the commit."""

    path: str
    blob: str | None
    """Its content in the commit; None: it was deleted."""
    old_path: str | None
    """Where it was in the parent; None: it is new."""


@dataclass(frozen=True)
class Commit:
    oid: str
    tree: str
    parents: tuple[str, ...]


class Git:
    """Git in one work tree. Raises `GitFailed` where it is none."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.top = Path(os.fsdecode(self._run("rev-parse", "--show-toplevel")).rstrip("\n"))
        self._directory = self.top

    def documents(self, root: str) -> list[str]:
        """Markdown files below a directory of the repository that are tracked, or new and not
        ignored; no symbolic links. Raises `GitFailed` if there is no such directory."""
        directory, top = Path(self.top, root).resolve(), self.top.resolve()
        if not directory.is_dir() or not directory.is_relative_to(top):
            raise GitFailed(f"root: there is no directory {root} in {self.top}")
        listed = self._run(
            "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *MARKDOWN
        )
        below = directory.relative_to(top)
        names = sorted(set(_names(listed)))
        return [
            name
            for name in names
            if Path(name).is_relative_to(below)
            and (self.top / name).is_file()
            and not (self.top / name).is_symlink()
        ]

    def commits(self) -> list[Commit]:
        """All that led to HEAD, newest first, every commit before its parents."""
        if not self._try("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
            return []
        text = self._run("log", "--date-order", "--format=%H %T %P", "HEAD").decode()
        words = [line.split() for line in text.splitlines()]
        return [Commit(oid, tree, tuple(parents)) for oid, tree, *parents in words]

    def changes(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Change]]:
        """What became of the documents between trees, renames found."""
        listed = self._run(
            *("diff-tree", "--stdin", "-r", "-z", "--raw", "--no-abbrev", *_RENAME),
            *("--", *MARKDOWN),
            stdin="".join(f"{old} {new}\n" for old, new in pairs).encode(),
        )
        found: dict[tuple[str, str], list[Change]] = {pair: [] for pair in pairs}
        current: list[Change] = []
        fields = iter(_names(listed))
        for field in fields:
            # The line with the two trees ends with a newline even under -z.
            header, newline, rest = field.rpartition("\n")
            for line in header.split("\n") if newline else ():
                old, new = line.split()
                current = found[old, new]
            if rest:
                current.append(_change(rest, fields))
        return found

    def empty_tree(self) -> str:
        """The tree a first commit is compared with."""
        return self._run("hash-object", "-t", "tree", "--stdin", stdin=b"").decode().strip()

    def moved(self) -> dict[str, str]:
        """Renames not committed yet: new path -> path in HEAD."""
        if not self._try("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
            return {}
        listed = self._run("diff", "--raw", "-z", "--no-abbrev", *_RENAME, "HEAD", "--", *MARKDOWN)
        fields = iter(_names(listed))
        changes = [_change(field, fields) for field in fields]
        return {change.path: change.old_path for change in changes if change.old_path is not None}

    def contents(self, blobs: Sequence[str]) -> dict[str, bytes]:
        """Contents of blobs."""
        listed = self._run("cat-file", "--batch", stdin="".join(f"{b}\n" for b in blobs).encode())
        found, at = {}, 0
        for blob in blobs:
            end = listed.index(b"\n", at)
            words = listed[at:end].split()
            if words[1:2] != [b"blob"]:
                raise GitFailed(f"no blob {blob} here: is this a shallow or partial clone?")
            size = int(words[2])
            found[blob] = listed[end + 1 : end + 1 + size]
            at = end + size + 2
        return found

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        done = self._execute(arguments, stdin)
        if done.returncode:
            said = os.fsdecode(done.stderr).strip()
            raise GitFailed(f"git {arguments[0]} in {self._directory}: {said}")
        return done.stdout

    def _try(self, *arguments: str) -> bool:
        return self._execute(arguments, b"").returncode == 0

    def _execute(
        self, arguments: Sequence[str], stdin: bytes
    ) -> subprocess.CompletedProcess[bytes]:
        steering = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
        env = {name: value for name, value in os.environ.items() if name not in steering}
        return subprocess.run(
            ("git", "-c", "core.quotePath=false", *arguments),
            cwd=self._directory,
            env=env | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
            input=stdin,
            capture_output=True,
            check=False,
        )


def _names(listed: bytes) -> list[str]:
    return [name for name in os.fsdecode(listed).split("\0") if name]


def _change(field: str, more: Iterator[str]) -> Change:
    """`:100644 100644 OLD NEW R087`, then one path, or two for a rename."""
    _, mode, _, blob, status = field.split()
    path = next(more)
    if status[0] == "R":
        return Change(next(more), blob, path)
    new = None if mode == "000000" else blob
    return Change(path, new, None if status[0] == "A" else path)
