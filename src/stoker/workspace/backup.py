"""Work that is kept whatever happens to it: commits under `refs/backup/<name>/<time>`.

Such a commit has all files that were not ignored, and as parents what was checked out and, if that
differs from both, what was staged.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from stoker.workspace import snapshot
from stoker.workspace.commit import commit_tree, unlock
from stoker.workspace.errors import GitFailed, InvalidName, UnknownCommit
from stoker.workspace.message import compose
from stoker.workspace.model import STOKER, Backup
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree

NAMESPACE = "refs/backup/"
_TIME = "%Y%m%dT%H%M%S.%fZ"
_TRAILER = "Backup-Of"
_REF = re.compile(r"refs/backup/(.+)/(\d{8}T\d{6}\.\d{6}Z)")


async def save(worktree: Worktree, name: str) -> Backup:
    """Keep all that is checked out and uncommitted. Index, stash and files are not touched.

    Raises `InvalidName`, and `UnknownCommit` if there is neither a commit nor a file.
    """
    repository, git = worktree.repository, worktree.git
    await _check(repository, name)
    async with worktree.lock() as fd:
        tree = await snapshot.take_locked(worktree, fd)
        head = await worktree.head()
        of_head = await git.text("rev-parse", f"{head}^{{tree}}") if head else None
        staged = await snapshot.index_tree(worktree, fd)
    parents: tuple[str, ...] = (head,) if head else ()
    text = compose(f"Backup of {name}", ((_TRAILER, head or "nothing"),))
    if staged is not None and staged not in (tree, of_head):
        parents += (await commit_tree(git, staged, parents, text, STOKER),)
    if tree == of_head and len(parents) == 1:
        commit = parents[0]
    else:
        commit = await commit_tree(git, tree, parents, text, STOKER)
    return await keep(repository, name, commit, head=head)


async def keep(repository: Repository, name: str, commit: str, *, head: str | None) -> Backup:
    """Keep a commit. Raises `InvalidName`."""
    await _check(repository, name)
    time = datetime.now(UTC)
    while True:
        ref = f"{NAMESPACE}{name}/{time.strftime(_TIME)}"
        try:
            missing = "0" * len(commit)
            await repository.git.run("update-ref", ref, commit, missing)
        except GitFailed:
            if (await repository.resolve(ref))[0] is None:
                raise
            time += timedelta(microseconds=1)  # another had this one
        else:
            return Backup(ref, name, time, commit, head)


async def backups(repository: Repository, name: str | None = None) -> list[Backup]:
    """All that are kept, or those of one name; the newest first."""
    where = NAMESPACE if name is None else f"{NAMESPACE}{name}/"
    form = f"%(refname)%00%(objectname)%00%(contents:trailers:key={_TRAILER},valueonly)%00%01"
    listed = await repository.git.text("for-each-ref", f"--format={form}", where)
    found = []
    for record in listed.split("\1"):
        ref, _, rest = record.strip("\n\0").partition("\0")
        match = _REF.fullmatch(ref)
        if match is None or (name is not None and match[1] != name):
            continue
        commit, _, trailer = rest.partition("\0")
        head: str | None = trailer.strip("\n\0")
        head = None if head == "nothing" else head or commit
        time = datetime.strptime(match[2], _TIME).replace(tzinfo=UTC)
        found.append(Backup(ref, match[1], time, commit, head))
    return sorted(found, key=lambda backup: backup.time, reverse=True)


async def find(repository: Repository, ref: str) -> Backup:
    """The backup with this ref. Raises `UnknownCommit`."""
    match = _REF.fullmatch(ref)
    for backup in await backups(repository, match[1]) if match else ():
        if backup.ref == ref:
            return backup
    raise UnknownCommit(ref)


async def restore(worktree: Worktree, backup: Backup, *, break_lock: bool = False) -> Backup:
    """Bring branch, files and what was uncommitted back to a backup; returns one of what was there.

    Ignored files stay. Raises `IndexLocked`.
    """
    from stoker.workspace.reset import abandon_operation

    unlock(worktree, break_lock=break_lock)
    before = await save(worktree, backup.name)
    git = worktree.git
    await abandon_operation(worktree)
    async with worktree.lock() as fd:
        await git.run("clean", "-d", "--force", "--quiet", fds=(fd,))
        await git.run("read-tree", "--reset", "-u", backup.commit, fds=(fd,))
        if backup.head is not None:
            await git.run("reset", "--quiet", "--mixed", backup.head, fds=(fd,))
        else:
            await git.run("read-tree", "--empty", fds=(fd,))
    return before


async def _check(repository: Repository, name: str) -> None:
    ref = f"{NAMESPACE}{name}/0"
    found = await repository.git.run("check-ref-format", ref, accept=(0, 1))
    if found.code != 0:
        raise InvalidName(name)
