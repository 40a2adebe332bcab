"""What a killed process left half-done is undone (a creation) or finished (a removal)."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from stoker.log import get_logger
from stoker.workspace import intents
from stoker.workspace.errors import GitFailed, InvalidName
from stoker.workspace.git import decode
from stoker.workspace.intents import Intent, Record
from stoker.workspace.program import execute
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import registered

log = get_logger(__name__)

_TRASH: Final = re.compile(r"\.stoker-trash-[0-9a-f]{32}")
_HALF_MADE: Final = "initializing"


async def sweep(repository: Repository) -> int:
    """Clean up after killed processes and after `remove(wait=False)`; returns how much there was.

    `create` and `remove` do as much of it as matters to them.
    """
    async with repository.lock() as lock:
        await recover(repository, lock)
        found = intents.look(repository).abandoned
    removed = [one for one in found if one[1].kind == "remove"]
    try:
        for record, intent in removed:
            await delete(intents.unquote(intent.trash), record.fd)
            record.done()
    finally:
        for record, _ in found:
            record.leave()
    return len(removed)


async def settle(repository: Repository) -> None:
    """Have what killed processes had begun to make taken back, before anybody looks at it: whoever
    takes the repository's lock next would do it under their hands."""
    async with repository.lock() as lock:
        await recover(repository, lock)


async def recover(repository: Repository, lock: int) -> tuple[Intent, ...]:
    """Under the repository's lock: bring everything to where only trash is left to delete.
    Returns what others are at work on."""
    found = intents.look(repository)
    try:
        for record, intent in found.abandoned:
            if intent.kind == "create":
                await undo(repository, record, intent, lock, killed=True)
                continue
            path, trash = intents.unquote(intent.path), intents.unquote(intent.trash)
            if not there(path) and registered(repository, path) is not None:
                await forget(repository, path, lock)
            if not there(trash):
                record.done()  # otherwise it is for `sweep`: deleting takes long
    finally:
        for record, _ in found.abandoned:
            record.leave()
    return found.under_way


async def undo(
    repository: Repository, record: Record, intent: Intent, lock: int, *, killed: bool = False
) -> None:
    """Take back a creation, under the repository's lock, and end its record.

    `killed`: by another process, that was killed, and perhaps its git with it. What git refuses to
    give up is for the next call to try again.
    """
    path, trash = intents.unquote(intent.path), intents.unquote(intent.trash)
    if not await _believable(repository, path, trash, intent.branch):
        log.warning("intent refused", file=str(record.file), path=str(path))
        record.leave()
        return
    _remove_half_made(repository, path)
    admin = registered(repository, path)
    if admin is not None and _is_ours(path, repository.common_dir):
        path.rename(trash)
    _remove_empty(path)
    if admin is not None and not there(path):
        try:
            await forget(repository, path, lock)
        except GitFailed:  # too little of it is there for git to see one
            shutil.rmtree(admin)
    if there(trash):
        await delete(trash, record.fd)
    if killed and intent.branch is not None:
        with suppress(FileNotFoundError, NotADirectoryError):
            (repository.common_dir / "refs" / "heads" / f"{intent.branch}.lock").unlink()
    if await _remove_branch(repository, intent, lock):
        record.done()
    else:
        record.leave()


async def _believable(repository: Repository, path: Path, trash: Path, branch: str | None) -> bool:
    """Whether it may be one of ours: whoever can write to the git directory could have written
    it."""
    if trash.parent != path.parent or not _TRASH.fullmatch(trash.name):
        return False
    try:
        return branch is None or bool(await repository.check_branch_name(branch))
    except InvalidName:
        return False


async def _remove_branch(repository: Repository, intent: Intent, lock: int) -> bool:
    """False: it is still there, where it was made. One that moved on is somebody's work."""
    if intent.branch is None or intent.oid is None:
        return True
    ref = f"refs/heads/{intent.branch}"
    args = ("update-ref", "-d", ref, intent.oid)
    await repository.git.run(*args, accept=(0, 1, 128), fds=(lock,))
    return (await repository.resolve(ref))[0] != intent.oid


async def forget(repository: Repository, path: Path, *fds: int) -> None:
    """Remove what the repository knows of a worktree whose directory is gone."""
    args = ("worktree", "remove", "--force", "--force", "--", str(path))
    await repository.git.run(*args, fds=fds)


def rmdir(path: Path) -> None:
    """Remove a directory if it is one and empty."""
    with suppress(OSError):
        path.rmdir()


def there(path: str | os.PathLike[str]) -> bool:
    """Something is at `path`, if only a link that leads nowhere."""
    return os.path.lexists(path)


def trash_for(path: Path) -> Path:
    """Where to move what is to be deleted: beside it, so that it is one rename."""
    return path.with_name(f".stoker-trash-{uuid.uuid4().hex}")


async def delete(trash: Path, fd: int) -> None:
    """Delete what was moved away. Nothing but trash by its name: whoever can write to the git
    directory could have written the intent."""
    if not _is_trash(trash):
        return
    if await _run(("rm", "-rf", "--", str(trash)), fd) == 0:
        return
    # Directories without write permission (module caches are such).
    await _run(("chmod", "-R", "u+rwX", "--", str(trash)), fd)
    await _run(("rm", "-rf", "--", str(trash)), fd)
    if there(trash):
        await asyncio.to_thread(shutil.rmtree, trash)  # says what is in the way


async def _run(argv: Sequence[str], fd: int) -> int:
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    done = await execute(tuple(argv), cwd="/", env=env, fds=(fd,), timeout=3600.0)
    return done.code


def _is_trash(path: Path) -> bool:
    return _TRASH.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()


def _is_ours(path: Path, common_dir: Path) -> bool:
    """True: a worktree of the repository is at `path`."""
    said = _said(path / ".git")
    target = Path(said.removeprefix("gitdir: "))
    return said.startswith("gitdir: ") and target.parent == common_dir / "worktrees"


def _remove_half_made(repository: Repository, path: Path) -> None:
    """What git leaves if it is killed before it has said where the worktree is."""
    folder = repository.common_dir / "worktrees"
    for admin in folder.glob("*") if folder.is_dir() else ():
        if admin.name.rstrip("0123456789") != path.name.rstrip("0123456789"):
            continue
        if admin.is_symlink() or _said(admin / "gitdir"):
            continue
        if _HALF_MADE.startswith(_said(admin / "locked")):
            shutil.rmtree(admin)


def _remove_empty(path: Path) -> None:
    """Remove a directory in which there is nothing, or a `.git` in which there is nothing."""
    git = path / ".git"
    with suppress(OSError):
        if os.listdir(path) == [".git"] and not git.is_symlink() and git.stat().st_size == 0:  # noqa: PTH208
            git.unlink()
    rmdir(path)


def _said(file: Path) -> str:
    try:
        return decode(file.read_bytes()).strip()
    except OSError:
        return ""
