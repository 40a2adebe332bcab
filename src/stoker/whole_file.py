"""Files written whole: nobody ever sees half of a change, whatever happens on the way."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import BinaryIO

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace(
    target: Path, content: bytes, *, mode: int | None = 0o600, new: int = 0o666, sync: bool = False
) -> None:
    """Write a file anew; by default its owner alone may read it. See `atomic`."""
    with atomic(target, mode=mode, new=new, sync=sync) as file:
        file.write(content)


@contextmanager
def atomic(
    target: Path,
    *,
    mode: int | None = None,
    new: int = 0o666,
    overwrite: bool = True,
    sync: bool = True,
    theirs: bool = False,
) -> Iterator[BinaryIO]:
    """A file that becomes `target` when the block ends without an error.

    `mode`: permissions; None keeps those of the file replaced, else `new` less the umask.
    Missing parent directories are made. A symbolic link at `target` is replaced, never
    written through. `sync`: it survives a power cut. `theirs`: a file of the user's, which
    keeps its owner, and beside which nothing is left of writers that were killed. Raises `OSError`:
    `FileExistsError` if it is there and `overwrite` is False.
    """
    make_directory(target.parent)
    kept = _mode(target) if mode is None else mode
    beside = f".{target.name[:100]}."
    if theirs:
        _sweep(target.parent, beside)
    # Others may write there, too: neither a link they plant nor a file of theirs is used.
    temporary = target.with_name(f"{beside}{os.getpid()}-{os.urandom(8).hex()}.tmp")
    descriptor = os.open(temporary, _FLAGS, new if kept is None else 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if theirs:
                _give(descriptor, target)
            if kept is not None:
                os.fchmod(descriptor, kept)
            yield file
            if sync:
                file.flush()
                os.fsync(descriptor)
        if overwrite:
            temporary.replace(target)
        else:
            target.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    if sync:
        sync_directory(target.parent)


def make_directory(path: Path) -> None:
    """Make a directory and its parents. Raises `NotADirectoryError` where a file is in the way."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(
            errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename
        ) from error


def sync_directory(path: Path) -> None:
    """Make renames in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path, beside: str) -> None:
    for path in folder.glob(f"{escape(beside)}*-*.tmp"):
        pid = path.name.removeprefix(beside).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)


def _give(descriptor: int, target: Path) -> None:
    """Have the owner of `target` own the file."""
    found = target.stat()
    if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _mode(target: Path) -> int | None:
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(mode) if stat.S_ISREG(mode) else None
