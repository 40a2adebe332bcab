"""A worktree of its own for a branch: all of it, or nothing.

Only the short part is under the repository's lock; files are checked out beside others doing the
same. A process killed on the way leaves an intent, and the next call for the repository cleans up.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from stoker.workspace import adding, copying, intents, locks, refs
from stoker.workspace.adding import Spare
from stoker.workspace.errors import BranchExists, BranchInUse, GitFailed, PathExists, UnknownBranch
from stoker.workspace.git import EXCLUDES, joined, split
from stoker.workspace.intents import Intent
from stoker.workspace.recovery import forget, recover, rmdir, there, trash_for, undo
from stoker.workspace.repository import Repository
from stoker.workspace.spares import Spares
from stoker.workspace.worktree import Worktree, absolute, listing, registered


async def create(
    repository: Repository,
    path: str | os.PathLike[str],
    branch: str,
    base: str,
    *,
    copy_files: Sequence[str] = (),
    spares: Spares | None = None,
) -> Worktree:
    """Make the branch `branch` at `base` (see `Repository.base`) and a worktree of it at `path`.

    `copy_files`: patterns of files of the repository's own checkout to copy into it (see
    `copying`); they are never committed there by us, even if no `.gitignore` names them.
    `spares`: used, and learnt from.
    Raises `InvalidName`, `UnknownBranch`, `UnsafePath`, `BranchExists`, `PathExists`, `GitFailed`,
    OSError; then nothing is left. Cancelled: likewise.
    """
    copying.check(copy_files)
    await repository.check_branch_name(branch)
    commit = await repository.base(base)
    top = absolute(path)
    if spares is None:
        return await _create(repository, top, branch, commit, copy_files)
    async with spares.one(repository, top, commit) as spare:
        worktree = await _create(repository, top, branch, commit, copy_files, spare)
        spares.learn(repository, worktree.git.git_dir / "index")
        return worktree


async def recreate(
    repository: Repository,
    path: str | os.PathLike[str],
    branch: str,
    *,
    copy_files: Sequence[str] = (),
) -> Worktree:
    """A worktree at `path` for a branch that is there: of one that was removed, say.

    Raises as `create` does, but `BranchInUse` instead of `BranchExists`.
    """
    copying.check(copy_files)
    await repository.check_branch_name(branch)
    (found,) = await repository.resolve(f"refs/heads/{branch}")
    if found is None:
        raise UnknownBranch(branch)
    return await _create(repository, absolute(path), branch, None, copy_files)


async def _create(
    repository: Repository,
    path: Path,
    branch: str,
    commit: str | None,
    copy_files: Sequence[str],
    spare: Spare | None = None,
) -> Worktree:
    async with repository.lock() as lock:
        under_way = await recover(repository, lock)
        usual = adding.usual(repository, path.name, branch)
        if any(other.branch == branch for other in under_way):
            raise BranchExists(branch)
        await _check_free(repository, path, branch, new=commit is not None, usual=usual)
        made = branch if commit is not None else None
        intent = Intent("create", intents.quote(path), intents.quote(trash_for(path)), made, commit)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = intents.begin(repository, intent)
        try:
            if usual:
                adding.register(repository, path, branch, spare)
            else:
                await _add(repository, path, branch, commit, (lock, record.fd))
        except BaseException as error:
            await _undone(repository, record, intent, lock)
            _explain(error, branch)
            raise
    try:
        if usual and commit is not None:
            try:
                await _branch(repository, branch, commit, record.fd)
            except GitFailed:
                intent = replace(intent, branch=None)  # if there is one now, it is another's
                record.write(intent)
                raise
        worktree = Worktree.open(repository, path)
        if spare is None or spare.commit != commit:
            await _check_out(worktree, record.fd)
        if copy_files and repository.git.work_tree is not None:
            await _copy(worktree, repository.git.work_tree, copy_files)
    except BaseException:
        await _undone(repository, record, intent, None)
        raise
    record.done()
    return worktree


async def _check_free(
    repository: Repository, path: Path, branch: str, *, new: bool, usual: bool
) -> None:
    if there(path):
        rmdir(path)  # an empty directory is in nobody's way
        if there(path):
            raise PathExists(str(path))
    elif registered(repository, path) is not None:  # its directory was removed by hand
        await forget(repository, path)
    if new:
        taken = (
            refs.taken(repository.common_dir, branch)
            if usual
            else (await repository.resolve(f"refs/heads/{branch}"))[0] is not None
        )
        if taken:
            raise BranchExists(branch)
        return
    for entry in await listing(repository):
        if entry.branch == branch:
            if not entry.missing:
                raise BranchInUse(branch, entry.path)
            await forget(repository, Path(entry.path))


async def _branch(repository: Repository, branch: str, commit: str, fd: int) -> None:
    where = repository.common_dir, branch, commit, repository.author
    if await asyncio.to_thread(refs.create, *where):
        return
    args = ("update-ref", "-m", f"branch: Created from {commit}", f"refs/heads/{branch}")
    await repository.git.run(*args, commit, "0" * len(commit), fds=(fd,))


async def _add(
    repository: Repository, path: Path, branch: str, commit: str | None, fds: tuple[int, ...]
) -> None:
    args = ["worktree", "add", "--quiet", "--no-checkout"]
    args += ["--no-track", "-b", branch, "--", str(path), commit] if commit else []
    args += [] if commit else ["--", str(path), branch]
    await repository.git.run(*args, fds=fds)


def _explain(error: BaseException, branch: str) -> None:
    if not isinstance(error, GitFailed):
        return
    if re.search(r"a branch named '.*' already exists", error.stderr):
        raise BranchExists(branch) from error


async def _check_out(worktree: Worktree, fd: int) -> None:
    async with locks.processors():
        await worktree.git.run("read-tree", "--reset", "-u", "HEAD", fds=(fd,))


async def _copy(worktree: Worktree, source: Path, patterns: Sequence[str]) -> None:
    copied = await asyncio.to_thread(copying.copy, source, worktree.path, patterns)
    if not copied:
        return
    asked = [f"./{path}" for path in copied]  # no name is magic so
    found = await worktree.git.run(
        *("check-ignore", "-z", "--stdin"),
        stdin=joined(asked),
        env={"GIT_LITERAL_PATHSPECS": "0"},
        accept=(0, 1),
    )
    bare = sorted(path[2:] for path in set(asked) - set(split(found.stdout)))
    # A setting of our own, as `info/exclude` would hide them in the user's checkout as well.
    if bare:
        _exclude(worktree, bare)


def _exclude(worktree: Worktree, paths: Sequence[str]) -> None:
    usual = b""
    if worktree.git.excludes is not None:
        with suppress(OSError):
            usual = Path(worktree.git.excludes).read_bytes() + b"\n"
    lines = b"".join(b"/" + _escaped(path) + b"\n" for path in paths)
    (worktree.git.git_dir / EXCLUDES).write_bytes(usual + lines)


def _escaped(path: str) -> bytes:
    """A file's name as a pattern for itself. A line break can't be written; `?` stands for it."""
    special = re.sub(rb"([\\*?\[\]!# ])", rb"\\\1", os.fsencode(path))
    return special.replace(b"\n", b"?").replace(b"\r", b"?")


async def _undone(
    repository: Repository, record: intents.Record, intent: Intent, lock: int | None
) -> None:
    """Undo, also while being cancelled: a second time it waits for the next call instead."""

    async def work() -> None:
        try:
            if lock is not None:
                await undo(repository, record, intent, lock)
                return
            async with repository.lock() as taken:
                await undo(repository, record, intent, taken)
        finally:
            record.leave()

    task = asyncio.ensure_future(work())
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        raise
