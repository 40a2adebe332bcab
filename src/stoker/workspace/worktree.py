"""A worktree of a repository: found, listed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stoker.workspace import locks, refs
from stoker.workspace.errors import NotAWorktree
from stoker.workspace.git import Git, decode
from stoker.workspace.model import Operation, WorktreeEntry
from stoker.workspace.repository import Repository, current_branch

_OPERATIONS: tuple[tuple[str, Operation], ...] = (
    ("rebase-merge", "rebase"),  # first: a rebase picks, too
    ("rebase-apply", "rebase"),
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry_pick"),
    ("REVERT_HEAD", "revert"),
)


class Worktree:
    """One checkout. `git` is bound to it, whatever is done to the `.git` file in it."""

    def __init__(self, repository: Repository, path: Path, git_dir: Path) -> None:
        """Use `open` or `main`."""
        self.repository = repository
        self.path = path
        base = repository.git
        self.git = Git(git_dir, base.common_dir, path, excludes=base.excludes)

    @classmethod
    def open(cls, repository: Repository, path: str | os.PathLike[str]) -> Worktree:
        """The worktree at `path` (its directory may be gone). Raises `NotAWorktree`."""
        top = absolute(path)
        git_dir = registered(repository, top)
        if git_dir is None:
            raise NotAWorktree(str(top))
        return cls(repository, top, git_dir)

    @classmethod
    def main(cls, repository: Repository) -> Worktree:
        """The checkout that the repository was opened at. Raises `NotAWorktree`: it is bare."""
        if repository.git.work_tree is None:
            raise NotAWorktree(str(repository.path))
        return cls(repository, repository.git.work_tree, repository.git.git_dir)

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int]:
        """Hold the lock of this worktree's indexes; yields its descriptor."""
        async with locks.exclusive(self.git.git_dir / "stoker.lock") as fd:
            yield fd

    async def branch(self) -> str | None:
        """The branch checked out, or being rebased; None: HEAD is detached."""
        return await current_branch(self.git) or self._rebased()

    async def head(self) -> str | None:
        """The commit checked out; None: there is none yet."""
        if known := refs.head(self.git.git_dir, self.git.common_dir):
            return known
        found = await self.git.run("rev-parse", "--verify", "--quiet", "HEAD", accept=(0, 1))
        return decode(found.stdout).strip() or None

    def operation(self) -> Operation | None:
        """What stopped half-way."""
        git_dir = self.git.git_dir
        return next((what for name, what in _OPERATIONS if (git_dir / name).exists()), None)

    async def conflicts(self) -> tuple[str, ...]:
        """Files that are unmerged."""
        listed = await self.git.records("ls-files", "--unmerged", "-z")
        return tuple(dict.fromkeys(record.partition("\t")[2] for record in listed))

    def _rebased(self) -> str | None:
        for folder in ("rebase-merge", "rebase-apply"):
            try:
                name = (self.git.git_dir / folder / "head-name").read_bytes()
            except FileNotFoundError:
                continue
            ref = decode(name).strip()
            if ref.startswith("refs/heads/"):
                return ref.removeprefix("refs/heads/")
        return None


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path git knows a worktree by: links before the last name are followed."""
    top = Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow the last name, too
    return Path(os.path.realpath(top.parent), top.name)


def registered(repository: Repository, path: Path) -> Path | None:
    """The git directory of the worktree at `path`."""
    folder = repository.common_dir / "worktrees"
    wanted = str(absolute(path) / ".git")
    try:
        names = os.listdir(folder)  # noqa: PTH208 - far cheaper with hundreds of worktrees
    except FileNotFoundError:
        return None
    names.sort(key=lambda name: name != path.name)
    for name in names:
        try:
            said = decode((folder / name / "gitdir").read_bytes()).removesuffix("\n")
        except (FileNotFoundError, NotADirectoryError):
            continue
        if said == wanted:
            return folder / name
    return None


async def listing(repository: Repository) -> list[WorktreeEntry]:
    """All worktrees, the repository's own checkout first."""
    entries: list[WorktreeEntry] = []
    facts: dict[str, str] = {}
    output = await repository.git.run("worktree", "list", "--porcelain", "-z")
    for line in decode(output.stdout).split("\0"):
        if line:
            key, _, value = line.partition(" ")
            facts[key] = value
        elif facts:
            if "bare" not in facts:
                branch = facts.get("branch", "").removeprefix("refs/heads/") or None
                entries.append(
                    WorktreeEntry(
                        path=facts["worktree"],
                        branch=branch,
                        missing=not _there(facts["worktree"]),
                    )
                )
            facts = {}
    return entries


def _there(path: str) -> bool:
    return os.path.lexists(path)


async def checked_out(repository: Repository, branch: str) -> Worktree | None:
    """The worktree in which `branch` is checked out."""
    if refs.nowhere(repository.common_dir, branch):
        return None
    for entry in await listing(repository):
        if entry.branch == branch and not entry.missing:
            path = Path(entry.path)
            git_dir = registered(repository, path)
            if git_dir is None:  # the only one that is not linked
                git_dir = repository.common_dir
            return Worktree(repository, path, git_dir)
    return None
