"""Removing a worktree: its work is kept first, then it is moved aside and forgotten; deleting the
files, which takes longest, comes last and may be left to `recovery.sweep`."""

from __future__ import annotations

from stoker.workspace import backup, intents
from stoker.workspace.errors import GitFailed, UnsafePath, WorktreeDirty
from stoker.workspace.intents import Intent
from stoker.workspace.model import Backup
from stoker.workspace.recovery import delete, forget, settle, there, trash_for
from stoker.workspace.status import entries, submodules
from stoker.workspace.worktree import Worktree, registered


async def remove(
    worktree: Worktree, name: str, *, discard_nested: bool = False, wait: bool = True
) -> Backup | None:
    """Remove the worktree; its branch stays. None: everything was in a commit of a branch.

    What is in no commit, and commits of a detached HEAD, go to a backup called `name` first.
    Files that are ignored are lost. No process may be at work in it any more. Repositories inside
    it (and submodules) can't be backed up: unless `discard_nested`, they raise `WorktreeDirty`.
    `wait=False`: the files are moved aside, and `recovery.sweep` deletes them.
    Raises `UnsafePath` for a repository's own checkout.
    """
    repository, path = worktree.repository, worktree.path
    if worktree.git.git_dir == worktree.git.common_dir:
        raise UnsafePath(str(path), "is the repository's own checkout")
    await settle(repository)
    kept = await _keep(worktree, name, discard_nested) if path.exists() else None
    async with repository.lock() as lock:
        trash = trash_for(path)
        intent = Intent("remove", intents.quote(path), intents.quote(trash))
        record = intents.begin(repository, intent)
        try:
            if there(path):
                path.rename(trash)
            if registered(repository, path) is not None:
                await forget(repository, path, lock, record.fd)
        except BaseException:
            record.leave()
            raise
    if not wait:
        record.leave()
        return kept
    try:
        await delete(trash, record.fd)
    except BaseException:
        record.leave()
        raise
    record.done()
    return kept


async def _keep(worktree: Worktree, name: str, discard_nested: bool) -> Backup | None:
    try:
        found = await entries(worktree.git)
    except GitFailed:
        # The index is broken: what there is is kept.
        return await backup.save(worktree, name)
    nested = [path for path in found.untracked if path.endswith("/")]
    for path in await submodules(worktree.git):
        if (worktree.path / path / ".git").exists():
            nested.append(path)
    if nested and not discard_nested:
        raise WorktreeDirty(str(worktree.path), nested)
    if found.dirty or found.branch is None or worktree.operation() is not None:
        return await backup.save(worktree, name)
    return None
