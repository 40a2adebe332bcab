"""Live log files: hearing of writes to them, and keeping them bounded.

Children write their logs themselves, so both happen from outside. A watch is for one
event: who wants the next asks again, so a process that prints without pause costs no
more wake-ups than its listeners take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stoker.process.libc import IN_Q_OVERFLOW, Inotify, trim

_YOUNG_SEC = 0.25
_INTERVAL_SEC = 0.05
_FASTEST = 16 << 30
"""Bytes that no process can write to a file in a second."""


class LogWatch:
    """Calls back when files are written to; one inotify for any number of files."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._inotify: Inotify | None = None
        self._armed: dict[int, set[Callable[[], None]]] = {}

    def once(self, path: str, callback: Callable[[], None]) -> int:
        """Call back after the next write to `path` (a directory: the next file made in it).
        Look for data after this call, not before, or a write between is missed. Returns a
        number for `forget`. Raises `OSError`, if only because there is no such file."""
        if self._inotify is None:
            self._inotify = Inotify()
            self._loop.add_reader(self._inotify.fd, self._read)
        number = self._inotify.once(path)
        self._armed.setdefault(number, set()).add(callback)
        return number

    def forget(self, number: int, callback: Callable[[], None]) -> None:
        """Take back one `once`; nothing happens if it has been called back already."""
        waiting = self._armed.get(number)
        if waiting is None or self._inotify is None:
            return
        waiting.discard(callback)
        if not waiting:
            del self._armed[number]
            self._inotify.forget(number)

    def close(self) -> None:
        """Stop watching everything; nobody is called back."""
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None
        self._armed.clear()

    def _read(self) -> None:
        if self._inotify is None:
            return
        for number, mask in self._inotify.read():
            numbers = list(self._armed) if mask & IN_Q_OVERFLOW else [number]
            for fired in numbers:
                for callback in self._armed.pop(fired, ()):
                    callback()


class LogBounds:
    """Keeps the logs of running processes within `limit` bytes of disk each.

    A log past it loses its middle (`trim`): offsets stay valid, readers find a hole. The
    bound is looked after every 50 ms while a log is written to, so a fast writer exceeds it
    by what it writes in that time. `on_drop(path, offset, length)` hears of what is
    dropped; `on_refused(path, error)`, once for a log, of a log that can't be bounded.
    """

    def __init__(
        self,
        watch: LogWatch,
        loop: asyncio.AbstractEventLoop,
        *,
        limit: int,
        on_drop: Callable[[str, int, int], None] | None = None,
        on_refused: Callable[[str, OSError], None] | None = None,
    ) -> None:
        self._watch = watch
        self._loop = loop
        self.limit = limit
        self._on_drop = on_drop
        self._on_refused = on_refused
        self._young: dict[str, float] = {}  # path -> when added, oldest first
        self._watched: dict[str, _Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, *paths: str) -> None:
        """Begin to look after the logs of a process that has just started."""
        now = self._loop.time()
        for path in paths:
            self._young[path] = now
        if self._timer is None:
            self._timer = self._loop.call_later(_YOUNG_SEC, self._age)

    def discard(self, *paths: str) -> None:
        """The process is over: trim its logs a last time, unless it was too short to fill them."""
        now = self._loop.time()
        for path in paths:
            watched = self._watched.pop(path, None)
            if watched is not None:
                watched.close()
                if watched.given_up:
                    continue
            else:
                added = self._young.pop(path, None)
                if added is None or (now - added) * _FASTEST < self.limit:
                    continue
            self.trim(path)

    def close(self) -> None:
        """Look after nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        for watched in self._watched.values():
            watched.close()
        self._watched.clear()
        self._young.clear()

    def trim(self, path: str) -> bool:
        """Bound one log now; False if it cannot be bounded (it is gone, or cannot have holes)."""
        try:
            dropped = trim(path, self.limit)
        except FileNotFoundError:
            return False
        except OSError as error:
            if self._on_refused is not None:
                self._on_refused(path, error)
            return False
        if dropped is not None and self._on_drop is not None:
            self._on_drop(path, *dropped)
        return True

    def _age(self) -> None:
        """Most processes are over before they are worth a watch."""
        self._timer = None
        now = self._loop.time()
        while self._young:
            path, added = next(iter(self._young.items()))
            if added + _YOUNG_SEC > now:
                self._timer = self._loop.call_at(added + _YOUNG_SEC, self._age)
                return
            del self._young[path]
            self._watched[path] = _Watched(self, self._watch, self._loop, path)


class _Watched:
    """One log under watch: trimmed when written to, at most once in an interval."""

    def __init__(
        self, bounds: LogBounds, watch: LogWatch, loop: asyncio.AbstractEventLoop, path: str
    ) -> None:
        self._bounds = bounds
        self._watch = watch
        self._loop = loop
        self._path = path
        self.given_up = False
        self._number: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._number is not None:
            self._watch.forget(self._number, self._written)

    def _written(self) -> None:
        self._number = None
        self._timer = self._loop.call_later(_INTERVAL_SEC, self._look)

    def _look(self) -> None:
        self._timer = None
        try:
            self._number = self._watch.once(self._path, self._written)
        except OSError:
            # No more watches to be had: look again from time to time instead.
            self._timer = self._loop.call_later(_INTERVAL_SEC * 20, self._look)
        if not self._bounds.trim(self._path):
            self.given_up = True
            self.close()
