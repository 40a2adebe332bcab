"""Changing files so that nobody ever sees half of a change.

What is new is made under a temporary name in the target's directory, flushed to the disk
and renamed into place. Everything here blocks; `stop` is looked at between pieces of work.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stoker.whole_file import atomic, make_directory, sync_directory

CHUNK: Final = 1024 * 1024

_NOREPLACE: Final = 1  # flags of renameat2(2)
_EXCHANGE: Final = 2

Stop = Callable[[], None]
"""Raises when the work is to end; what was begun is taken back."""


def copy_file(source: Path, target: Path, *, mode: int | None, overwrite: bool, stop: Stop) -> None:
    """Copy content, permissions and times of what `source` is or points to."""
    with source.open("rb") as reader:
        facts = os.fstat(reader.fileno())
        kept = stat.S_IMODE(facts.st_mode) if mode is None else mode
        with atomic(target, mode=kept, overwrite=overwrite) as writer:
            while chunk := reader.read(CHUNK):
                stop()
                writer.write(chunk)
            writer.flush()
            os.utime(writer.fileno(), ns=(facts.st_atime_ns, facts.st_mtime_ns))


def copy_tree(
    source: Path,
    target: Path,
    *,
    mode: int | None,
    overwrite: bool,
    follow_symlinks: bool,
    stop: Stop,
) -> None:
    """Copy a directory beside its place, then swap it in. Links stay links unless followed."""
    make_directory(target.parent)
    if target.resolve().is_relative_to(source.resolve()):
        raise OSError(errno.EINVAL, "the destination lies within the source", str(target))

    def copy(one: str, other: str) -> str:
        stop()
        return shutil.copy2(one, other, follow_symlinks=follow_symlinks)

    with tempfile.TemporaryDirectory(prefix=f".{target.name[:100]}.", dir=target.parent) as name:
        made = Path(name) / "new"
        shutil.copytree(source, made, symlinks=not follow_symlinks, copy_function=copy)
        if mode is not None:
            made.chmod(mode)
        stop()
        place(made, target, overwrite=overwrite)


def place(made: Path, target: Path, *, overwrite: bool) -> None:
    """Rename `made` to `target` in one step; a directory that was at `target` is then at
    `made`. Raises `FileExistsError` if something is there and `overwrite` is False,
    `NotADirectoryError` for a directory in place of a file."""
    if not overwrite:
        _rename(made, target, _NOREPLACE)
    elif not made.is_dir() or made.is_symlink() or not os.path.lexists(target):
        made.replace(target)
    elif not target.is_dir() or target.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
    else:
        _rename(made, target, _EXCHANGE)
    sync_directory(target.parent)


def _rename(source: Path, target: Path, flags: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    names = [os.fsencode(path) for path in (source.absolute(), target.absolute())]
    # Both paths are absolute, so that the directories they would be relative to are not used.
    if libc.renameat2(-1, names[0], -1, names[1], flags):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


def move(source: Path, target: Path, *, overwrite: bool, stop: Stop) -> None:
    """Rename; to another file system copy and then delete."""
    make_directory(target.parent)
    try:
        place(source, target, overwrite=overwrite)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if source.is_symlink():
            with tempfile.TemporaryDirectory(dir=target.parent) as name:
                link = Path(name) / "link"
                link.symlink_to(source.readlink())
                place(link, target, overwrite=overwrite)
        elif source.is_dir():
            copy_tree(
                source, target, mode=None, overwrite=overwrite, follow_symlinks=False, stop=stop
            )
        else:
            copy_file(source, target, mode=None, overwrite=overwrite, stop=stop)
    else:
        sync_directory(source.parent)
    if os.path.lexists(source):
        remove(source, stop)


def remove(path: Path, stop: Stop) -> None:
    """Delete a file, a link (not what it points to) or a whole directory.

    A directory vanishes under its name at once and is taken apart afterwards.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink()
        return
    stop()
    with tempfile.TemporaryDirectory(prefix=f".{path.name[:100]}.", dir=path.parent) as name:
        path.rename(Path(name) / "old")
