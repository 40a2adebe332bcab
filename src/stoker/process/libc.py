"""The system calls that Python lacks: inotify, and punching holes into files. Standard
library only: keepers use it too. ctypes is imported on the first use."""

from __future__ import annotations

import os
import struct
from functools import cache
from typing import Any

IN_MODIFY = 0x2
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_Q_OVERFLOW = 0x4000
IN_ONESHOT = 0x80000000
_PUNCH_HOLE_KEEP_SIZE = 0x3
_EVENT = struct.Struct("iIII")
_BUFFER = 65536
_BLOCK = 65536


@cache
def _libc() -> Any:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
    return libc


def _call(name: str, *arguments: Any) -> int:
    import ctypes

    result: int = getattr(_libc(), name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


class Inotify:
    """Hears of changes to files. `fd` is readable when there are some."""

    def __init__(self) -> None:
        """Raises `OSError` (EMFILE) past the user's limit of instances."""
        self.fd = _call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)

    def once(self, path: str) -> int:
        """Report the next write to the file, or file made in the directory, `path`: one
        event with the number returned here. Raises `OSError`."""
        mask = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONESHOT
        return _call("inotify_add_watch", self.fd, os.fsencode(path), mask)

    def read(self) -> list[tuple[int, int]]:
        """Events waiting: (number given by `once`, mask). Never blocks."""
        events = []
        try:
            data = os.read(self.fd, _BUFFER)
        except BlockingIOError:
            return []
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            events.append((number, mask))
            at += _EVENT.size + length
        return events

    def forget(self, number: int) -> None:
        """Do not report what `once` asked for; no error if it has been reported."""
        try:
            _call("inotify_rm_watch", self.fd, number)
        except OSError:
            return  # Fired meanwhile, which removes it.

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self.fd)


def trim(path: str, limit: int) -> tuple[int, int] | None:
    """If the file takes more than `limit` bytes on disk, free its middle: a head of at most
    1 MiB and the newest half of `limit` stay, and so do all offsets. Returns (offset,
    length) of what is gone, None if nothing had to. Raises `OSError`, with EOPNOTSUPP
    where the file system has no holes."""
    if os.stat(path).st_blocks * 512 <= limit:  # noqa: PTH116
        return None
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        head = _align(min(1 << 20, limit // 4))
        end = _align(status.st_size - limit // 2)
        if end <= head:
            return None
        start = os.lseek(fd, head, os.SEEK_DATA)
        if start >= end:
            return None
        _call("fallocate", fd, _PUNCH_HOLE_KEEP_SIZE, start, end - start)
        return start, end - start
    finally:
        os.close(fd)


def _align(offset: int) -> int:
    """Rounded down to what any file system frees whole."""
    return max(offset, 0) // _BLOCK * _BLOCK
