"""The directory the agent works in: no path leads out of it.

A path is resolved first, symbolic links and all. Since a link may change between the look
and the use, what was opened is then asked where it is.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from typing import Final

_MAX_FILE: Final = 32 << 20


class ToolError(Exception):
    """A call that did not work out; the model reads why."""


class Worktree:
    """Everything beneath `root`."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._beneath = self.root.rstrip("/") + "/"

    def relative(self, path: str) -> str:
        """The path from the root, `.` for the root itself, symbolic links resolved. Absolute
        paths are fine if they lead into the worktree. Raises `ToolError`."""
        if "\0" in path:
            raise ToolError("a path cannot hold a null byte")
        real = os.path.realpath(os.path.join(self.root, path))  # noqa: PTH118
        if not self._holds(real):
            raise ToolError(f"{path}: leads out of the worktree")
        return os.path.relpath(real, self.root)

    def writable(self, path: str) -> str:
        """As `relative`. Git's own files are not written: a hook or a setting would run with
        the rights of whoever uses git here next."""
        found = self.relative(path)
        if found == ".":
            raise ToolError(f"{path}: is a directory")
        if any(part.lower() == ".git" for part in found.split("/")):
            raise ToolError(f"{path}: git's own files are not written")
        return found

    def read(self, path: str) -> bytes:
        """A regular file's content. Raises `ToolError`."""
        found = self.relative(path)
        try:
            fd = self._open(found, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise ToolError(f"{path}: {os.strerror(error.errno or 0)}") from error
        try:
            status = os.fstat(fd)
            if stat.S_ISDIR(status.st_mode):
                raise ToolError(f"{path}: is a directory")
            if not stat.S_ISREG(status.st_mode):
                raise ToolError(f"{path}: is no regular file")
            if status.st_size > _MAX_FILE:
                raise ToolError(f"{path}: {status.st_size} bytes are too many to be read; use grep")
            with os.fdopen(fd, "rb", closefd=False) as file:
                return file.read(_MAX_FILE)
        finally:
            os.close(fd)

    def write(self, path: str, content: bytes) -> bool:
        """Write a file whole or not at all, in directories that are made if missing; its mode
        is kept. Returns whether it is a new one. Raises `ToolError`."""
        found = self.writable(path)
        folder, _, name = found.rpartition("/")
        try:
            return self._write(folder or ".", name, content)
        except OSError as error:
            raise ToolError(f"{path}: {os.strerror(error.errno or 0)}") from error

    def entries(self, path: str) -> list[os.DirEntry[str]]:
        """What is in a directory, by name. Raises `ToolError`."""
        found = self.relative(path)
        try:
            fd = self._open(found, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise ToolError(f"{path}: {os.strerror(error.errno or 0)}") from error
        os.close(fd)
        with os.scandir(os.path.join(self.root, found)) as scan:  # noqa: PTH118
            return sorted(scan, key=lambda entry: entry.name)

    def _write(self, folder: str, name: str, content: bytes) -> bool:
        os.makedirs(os.path.join(self.root, folder), exist_ok=True)  # noqa: PTH103, PTH118
        directory = self._open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            mode = None
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
                    raise OSError(number, os.strerror(number))
                mode = stat.S_IMODE(status.st_mode)
            # In the directory that was opened, wherever its path leads to by now.
            place = f"/proc/self/fd/{directory}"
            fd, temporary = tempfile.mkstemp(prefix=".stoker-", dir=place)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(content)
                    os.fchmod(fd, 0o666 & ~_umask() if mode is None else mode)
                base = os.path.basename(temporary)  # noqa: PTH119
                os.replace(base, name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)  # noqa: PTH108
                raise
            return mode is None
        finally:
            os.close(directory)

    def _open(self, found: str, flags: int) -> int:
        fd = os.open(os.path.join(self.root, found), flags | os.O_CLOEXEC)  # noqa: PTH118
        if not self._holds(os.readlink(f"/proc/self/fd/{fd}")):  # noqa: PTH115
            os.close(fd)
            raise ToolError(f"{found}: leads out of the worktree")
        return fd

    def _holds(self, real: str) -> bool:
        return real == self.root or real.startswith(self._beneath)


def _umask() -> int:
    # Only to be read by being set; nothing else runs on this thread in between.
    old = os.umask(0o022)
    os.umask(old)
    return old
