"""Giving work up, with a way back."""

from __future__ import annotations

from stoker.workspace import backup
from stoker.workspace.commit import unlock
from stoker.workspace.model import Backup
from stoker.workspace.status import entries
from stoker.workspace.worktree import Worktree


async def reset(
    worktree: Worktree, name: str, commit: str = "HEAD", *, break_lock: bool = False
) -> Backup | None:
    """Bring branch and files to `commit`; what was there goes to a backup called `name` first.

    `HEAD`: give up what is uncommitted. Ignored files, and repositories inside the tree, stay.
    None: there was nothing to give up. Raises `UnknownCommit`, `InvalidName`, `IndexLocked`.
    """
    unlock(worktree, break_lock=break_lock)
    head = await worktree.head()
    goal = head if commit == "HEAD" else await worktree.repository.commit(commit)
    found = await entries(worktree.git)
    if goal == head and not found.dirty and worktree.operation() is None:
        return None
    kept = await backup.save(worktree, name)
    await abandon_operation(worktree)
    async with worktree.lock() as fd:
        if goal is not None:
            await worktree.git.run("reset", "--hard", "--quiet", goal, fds=(fd,))
        else:
            await worktree.git.run("read-tree", "--empty", fds=(fd,))
        await worktree.git.run("clean", "-d", "--force", "--quiet", fds=(fd,))
    return kept


async def abandon_operation(worktree: Worktree) -> None:
    """Forget what stopped half-way; after it, HEAD is on its branch again. Files may change."""
    operation = worktree.operation()
    if operation is None:
        return
    async with worktree.lock() as fd:
        git = worktree.git
        if operation == "rebase":
            branch = await worktree.branch()
            head = await worktree.head()
            await git.run("rebase", "--quit", accept=(0, 1, 128), fds=(fd,))
            if branch is not None and head is not None:
                # `--quit` leaves HEAD detached.
                await git.run("symbolic-ref", "HEAD", f"refs/heads/{branch}", fds=(fd,))
        await git.run("reset", "--hard", "--quiet", fds=(fd,))
