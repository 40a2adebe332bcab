"""Hearing of the death of an engine one waits for.

A dead engine sends nothing, so whoever is queued behind its locks listens to its pidfd;
where that cannot be (another host), the lease's expiry is waited for instead.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from stoker.journal.base import EngineIdentity
from stoker.journal.identity import is_dead


class DeathWatch:
    """Calls `wake` in the event loop when an engine that was watched has died or, if that
    cannot be observed, when its lease has run out."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._pidfds: dict[EngineIdentity, int] = {}
        self._timers: dict[EngineIdentity, asyncio.TimerHandle] = {}

    def watch(self, engine: EngineIdentity, lease_sec: float) -> None:
        """Watch `engine`, whose lease runs out in `lease_sec` seconds. Idempotent."""
        if engine.pid == os.getpid() and is_dead(engine) is False:
            return  # lives as long as we do
        if engine in self._pidfds or engine in self._timers:
            return
        dead = is_dead(engine)
        if dead is None:
            self._timers[engine] = self._loop.call_later(max(lease_sec, 0.1), self._expired, engine)
            return
        try:
            pidfd = os.pidfd_open(engine.pid)
        except ProcessLookupError:
            dead = True
        if dead:
            self._loop.call_soon(self._wake)
            return
        self._pidfds[engine] = pidfd
        self._loop.add_reader(pidfd, self._died, engine)

    def close(self) -> None:
        for engine in list(self._pidfds):
            self._forget(engine)
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _died(self, engine: EngineIdentity) -> None:
        self._forget(engine)
        self._wake()

    def _forget(self, engine: EngineIdentity) -> None:
        pidfd = self._pidfds.pop(engine)
        self._loop.remove_reader(pidfd)
        os.close(pidfd)

    def _expired(self, engine: EngineIdentity) -> None:
        del self._timers[engine]
        self._wake()
