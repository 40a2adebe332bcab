"""Locks on files, against tasks of this process, other processes, and the git that a killed
process left running."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from weakref import WeakKeyDictionary, WeakValueDictionary

_Locks = WeakValueDictionary[str, asyncio.Lock]
_ours: WeakKeyDictionary[AbstractEventLoop, _Locks] = WeakKeyDictionary()
_working: WeakKeyDictionary[AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def processors() -> asyncio.Semaphore:
    """Held while git reads or writes many files: more of them at once than there are processors
    only hinder each other. Who comes first goes first, so that of many attempts begun together
    all have begun before the work of the first is committed."""
    most = max(4, 2 * len(os.sched_getaffinity(0)))
    return _working.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(most))


@asynccontextmanager
async def exclusive(path: Path) -> AsyncIterator[int]:
    """Hold the lock of the file `path`, which is made if need be; yields its descriptor.

    A child that is given the descriptor holds the lock for as long as it lives, whatever happens
    to this process.
    """
    # Only one task of this process at a time asks the kernel, so at most one thread waits.
    locks = _ours.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    mine = locks.setdefault(str(path), asyncio.Lock())
    async with mine:
        fd = open_file(path)
        if not try_lock(fd):
            await wait(fd)  # closes it when cancelled
        try:
            yield fd
        finally:
            os.close(fd)


def open_file(path: Path) -> int:
    """A descriptor of the file to lock, never of what a link leads to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def write(fd: int, data: bytes) -> None:
    """Replace what the file says."""
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))


def try_lock(fd: int) -> bool:
    """Take the lock, if nobody has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def wait(fd: int) -> None:
    """Wait for the lock in a thread, which does not keep the program from ending. Cancelled, the
    descriptor is closed, and the lock let go of as soon as it is there."""
    loop = asyncio.get_running_loop()
    taken: asyncio.Future[None] = loop.create_future()
    own = os.dup(fd)

    def tell() -> None:
        if not taken.done():
            taken.set_result(None)

    def work() -> None:
        fcntl.flock(own, fcntl.LOCK_EX)
        os.close(own)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=work, name="workspace-lock", daemon=True).start()
    try:
        await taken
    except asyncio.CancelledError:
        os.close(fd)
        raise
