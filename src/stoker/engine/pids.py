"""The pids of a run's processes, on their way into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_DELAY_SEC = 0.01


class FreshPids:
    """Pids of processes that have just begun. They are journaled once they are some 10 ms old:
    a shorter step has ended by then, and saves the entry. `due` is called when there are such.
    """

    def __init__(self, due: Callable[[], None]) -> None:
        self._due = due
        self._is_due = False
        self._found: dict[int, tuple[int, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, index: int, pid: int) -> None:
        """The process of a step has begun."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(_DELAY_SEC, self._look)
        self._found[index] = pid, loop.time()

    def discard(self, index: int) -> None:
        """The process of a step is over."""
        self._found.pop(index, None)

    def take(self) -> list[tuple[int, int]]:
        """Step and pid of those that are old enough; each once."""
        if not self._is_due:
            return []
        self._is_due = False
        loop = asyncio.get_running_loop()
        old = loop.time() - _DELAY_SEC / 2
        ripe = [(index, pid) for index, (pid, since) in self._found.items() if since <= old]
        for index, _ in ripe:
            del self._found[index]
        if self._found and self._timer is None:
            self._timer = loop.call_later(_DELAY_SEC, self._look)
        return ripe

    def close(self) -> None:
        """Call nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        self._is_due = bool(self._found)
        if self._is_due:
            self._due()
