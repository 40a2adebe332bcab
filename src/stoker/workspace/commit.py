"""Everything in a worktree, committed to its branch."""

from __future__ import annotations

import os
import stat

from stoker.workspace import copying, hardening, locks
from stoker.workspace.errors import IndexLocked, MergeConflict, RebaseInProgress, UnsafePath
from stoker.workspace.git import Git, decode
from stoker.workspace.message import Trailers, compose
from stoker.workspace.model import Author, Committed
from stoker.workspace.snapshot import stage
from stoker.workspace.status import entries
from stoker.workspace.worktree import Worktree


async def commit(
    worktree: Worktree,
    message: str,
    *,
    trailers: Trailers = (),
    break_lock: bool = False,
) -> Committed:
    """Commit all changes and all untracked files that are not ignored.

    Nothing to commit is no error. `break_lock`: nobody is at work in the worktree any more, so that
    a lock on its index is that of a killed git. Raises `MergeConflict` while files are unmerged,
    `RebaseInProgress`, `IndexLocked`, ValueError for message and trailers.
    """
    text = compose(message, trailers)
    async with worktree.lock() as fd, locks.processors():
        unlock(worktree, break_lock=break_lock)
        if worktree.operation() == "rebase":
            raise RebaseInProgress(str(worktree.path))
        found = await entries(worktree.git)
        if found.conflicted:
            raise MergeConflict(found.conflicted, worktree.operation() or "merge")
        if not found.dirty and worktree.operation() is None:
            return Committed(None, ())
        skipped = await stage(worktree.git, fd=fd)
        if worktree.operation() is None and not await _anything_staged(worktree.git):
            return Committed(None, skipped)
        args = ("commit", "--quiet", "--cleanup=verbatim", "--file=-")
        env = hardening.identity(worktree.repository.author)
        await worktree.git.run(*args, stdin=text, env=env, fds=(fd,))
        return Committed(await worktree.head(), skipped)


async def delete_file(worktree: Worktree, path: str) -> Committed:
    """Delete one file and commit that alone, whatever else is uncommitted.

    Raises `UnsafePath`: it leads out of the worktree, through a link, or is no file.
    """
    copying.check((path,))
    if not _unlink(worktree.path, path):
        raise UnsafePath(path, "is not a file in the worktree")
    text = compose(f"Delete {path}")
    async with worktree.lock() as fd:
        git, env = worktree.git, hardening.identity(worktree.repository.author)
        known = await git.records("ls-files", "-z", "--", path)
        if not known:
            return Committed(None, ())
        args = ("commit", "--quiet", "--cleanup=verbatim", "--file=-", "--only", "--", path)
        await git.run(*args, stdin=text, env=env, fds=(fd,))
        return Committed(await worktree.head(), ())


def unlock(worktree: Worktree, *, break_lock: bool) -> None:
    """Raises `IndexLocked` if the index is locked; `break_lock`: remove that lock, and those on
    HEAD and its branch."""
    git_dir = worktree.git.git_dir
    if not break_lock:
        if os.path.lexists(git_dir / "index.lock"):
            raise IndexLocked(str(git_dir / "index.lock"))
        return
    locks = [git_dir / "index.lock", git_dir / "HEAD.lock"]
    ref = decode((git_dir / "HEAD").read_bytes()).strip().removeprefix("ref: ")
    if ref.startswith("refs/heads/") and ".." not in ref:
        locks.append(worktree.git.common_dir / f"{ref}.lock")
    for lock in locks:
        lock.unlink(missing_ok=True)


async def _anything_staged(git: Git) -> bool:
    args = ("diff", "--cached", "--quiet", "--no-ext-diff", "--ignore-submodules=dirty")
    return (await git.run(*args, accept=(0, 1))).code == 1


async def commit_tree(
    git: Git, tree: str, parents: tuple[str, ...], text: bytes, author: Author
) -> str:
    """A commit of a tree, on no branch."""
    args = [word for parent in parents for word in ("-p", parent)]
    output = await git.run(
        *("commit-tree", "--no-gpg-sign", *args, tree),
        stdin=text,
        env=hardening.identity(author),
    )
    return decode(output.stdout).strip()


def _unlink(top: os.PathLike[str], path: str) -> bool:
    *folders, name = path.split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(top, flags)
    try:
        for part in folders:
            inner = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
        mode = os.lstat(name, dir_fd=folder).st_mode
        if stat.S_ISDIR(mode):
            return False
        os.unlink(name, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError, OSError):
        return False
    finally:
        os.close(folder)
    return True
