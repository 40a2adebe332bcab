"""The system calls that Python lacks: inotify, punching holes into files, and posix_spawn
in another directory. Standard library only, and little of it: keepers use it too. ctypes is
imported on the first use."""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

IN_MODIFY = 0x2
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_Q_OVERFLOW = 0x4000
IN_ONESHOT = 0x80000000
_PUNCH_HOLE_KEEP_SIZE = 0x3
_EVENT = struct.Struct("iIII")
_SPAWN_FLAGS = 0x04 | 0x08 | 0x80  # SETSIGDEF, SETSIGMASK, SETSID
_BUFFER = 65536
_BLOCK = 65536


_loaded: list[Any] = []
_made: dict[frozenset[int], Any] = {}
"""Attributes of `spawn_in`, by signals."""


def _libc() -> Any:
    if not _loaded:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
        _loaded.append(libc)
    return _loaded[0]


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
        """Report the next write to the file, or to one in the directory, `path`, or file made or
        deleted there: one event with the number returned here. Raises `OSError`."""
        mask = IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONESHOT
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


def can_spawn_in() -> bool:
    """Whether this libc has what `spawn_in` needs (glibc from 2.29 on, musl from 1.1.24)."""
    return hasattr(_libc(), "posix_spawn_file_actions_addchdir_np")


def spawn_in(
    directory: str,
    executable: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    actions: Iterable[tuple[Any, ...]],
    defaults: Iterable[int],
) -> int:
    """`os.posix_spawn` with `setsid`, an empty signal mask and `defaults` reset, whose child
    enters `directory` after the file `actions` (opens and dup2s). Raises as that does."""
    import ctypes

    libc = _libc()
    path = _encode(executable)
    words = [_encode(word) for word in argv]
    settings = [_setting(name, value) for name, value in env.items()]
    pid = ctypes.c_int()
    todo = (ctypes.c_uint64 * 64)()  # Larger than any libc's posix_spawn_file_actions_t.
    _check(libc.posix_spawn_file_actions_init(todo))
    try:
        for action, fd, *rest in actions:
            if action == os.POSIX_SPAWN_OPEN:
                place, flags, mode = rest
                add = libc.posix_spawn_file_actions_addopen
                _check(add(todo, fd, _encode(place), flags, mode))
            else:
                _check(libc.posix_spawn_file_actions_adddup2(todo, fd, *rest))
        _check(libc.posix_spawn_file_actions_addchdir_np(todo, _encode(directory)))
        _check(
            libc.posix_spawn(
                ctypes.byref(pid),
                path,
                todo,
                _attributes(frozenset(defaults)),
                (ctypes.c_char_p * (len(words) + 1))(*words),
                (ctypes.c_char_p * (len(settings) + 1))(*settings),
            )
        )
    finally:
        libc.posix_spawn_file_actions_destroy(todo)
    return pid.value


def _attributes(defaults: frozenset[int]) -> Any:
    import ctypes

    if defaults in _made:
        return _made[defaults]
    libc = _libc()
    attributes = (ctypes.c_uint64 * 128)()  # Larger than any libc's posix_spawnattr_t,
    signals = (ctypes.c_uint64 * 16)()  # and its sigset_t.
    _check(libc.posix_spawnattr_init(attributes))
    libc.sigemptyset(signals)
    _check(libc.posix_spawnattr_setsigmask(attributes, signals))
    for number in defaults:
        libc.sigaddset(signals, number)
    _check(libc.posix_spawnattr_setsigdefault(attributes, signals))
    _check(libc.posix_spawnattr_setflags(attributes, ctypes.c_short(_SPAWN_FLAGS)))
    _made[defaults] = attributes
    return attributes


def _setting(name: str, value: str) -> bytes:
    if "=" in name:
        raise ValueError("illegal environment variable name")
    return _encode(f"{name}={value}")


def _encode(text: str) -> bytes:
    data = os.fsencode(text)
    if b"\0" in data:
        raise ValueError("embedded null byte")
    return data


def _check(number: int) -> None:
    """For those that return the error."""
    if number:
        raise OSError(number, os.strerror(number))


def _align(offset: int) -> int:
    """Rounded down to what any file system frees whole."""
    return max(offset, 0) // _BLOCK * _BLOCK
