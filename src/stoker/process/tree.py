"""Ending process trees whole: groups, and what escaped from them by setsid or double fork.

Members of a tree are known by their marker or session, and each is held by a pidfd from
the moment it is found, so that a pid used again is never signalled. A tree is asked to
end (SIGTERM) and, when its grace is over, killed; sweeps go on until one finds nobody.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from stoker.process.survivors import Scan, Survivor, look, marked, under

__all__ = ["Ending", "Survivor", "Sweeper", "end_all", "marked"]

_RETRY_SEC = 0.1
_LOOKED_AT = 16
"""Processes, before others get their turn."""


class Sweeper:
    """Looks for members of all trees that are being ended, in one scan of /proc for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._endings: list[Ending] = []
        self._due: asyncio.Handle | None = None
        self._questions: dict[asyncio.Future[bool], str] = {}
        self._scanning = asyncio.Lock()

    def add(self, ending: Ending) -> None:
        """Include `ending` in sweeps, beginning with the next turn of the loop."""
        self._endings.append(ending)
        self.request()

    def discard(self, ending: Ending) -> None:
        """Leave `ending` out from now on."""
        if ending in self._endings:
            self._endings.remove(ending)

    def request(self) -> None:
        """Sweep in the next turn of the loop; several requests make one sweep."""
        if self._due is None:
            self._due = self.loop.call_soon(self._sweep)

    async def finds(self, prefix: str) -> bool:
        """Whether a live process, this one excepted, has a marker under `prefix`. Those who ask
        while a scan is under way share the next one."""
        asked: asyncio.Future[bool] = self.loop.create_future()
        self._questions[asked] = prefix
        try:
            async with self._scanning:
                if not asked.done():
                    await self._answer({**self._questions})
        finally:
            del self._questions[asked]
        return asked.result()

    async def _answer(self, questions: dict[asyncio.Future[bool], str]) -> None:
        for number, process in enumerate(Scan(), 1):
            for asked, prefix in questions.items() if process.marker else ():
                if not asked.done() and under(prefix, process.marker):
                    asked.set_result(True)
            if all(asked.done() for asked in questions):
                return
            if number % _LOOKED_AT == 0:
                await asyncio.sleep(0)
        for asked in questions:
            if not asked.done():
                asked.set_result(False)

    def _sweep(self) -> None:
        self._due = None
        endings = tuple(self._endings)
        try:
            scan = Scan()
            for process in scan:
                for ending in endings:
                    if ending.owns(process):
                        ending.meet(process)
        except OSError:
            # No file descriptor to look with; nothing is known, so nobody is called gone.
            self.loop.call_later(_RETRY_SEC, self.request)
            return
        for ending in endings:
            ending.conclude(settled=scan.settled)


class Ending:
    """One tree on its way out.

    `marker`: processes whose marker is under it belong to the tree. `group`: pid of a
    process group and session that belongs to it too; its leader must be a child of ours
    that is not yet reaped (so that the number stays taken) while this object is active.
    `spared`: pid of a process that is never signalled nor waited for (a keeper).
    `on_gone` is called once, when a sweep has found no member alive.
    """

    def __init__(
        self,
        sweeper: Sweeper,
        marker: str,
        on_gone: Callable[[], None],
        *,
        grace: float,
        group: int = 0,
        spared: int = 0,
    ) -> None:
        self._sweeper = sweeper
        self._marker = marker
        self._group = group
        self._spared = spared
        self._on_gone = on_gone
        self._members: dict[int, int] = {}  # pid -> pidfd
        self._grown = False
        self._missed = False
        self._forced = False
        self.active = True
        self.ended = 0
        """How many processes were found and signalled one by one."""
        loop = sweeper.loop
        self._timer = loop.call_later(max(grace, 0.0), self._force)
        if grace <= 0:
            self._timer.cancel()
            self._forced = True
            self._signal_group(signal.SIGKILL)
        else:
            self._signal_group(signal.SIGTERM)
            self._signal_group(signal.SIGCONT)
        sweeper.add(self)

    def hasten(self, grace: float) -> None:
        """End the tree by force after `grace` seconds from now, if that is sooner."""
        if not self.active or self._forced:
            return
        loop = self._sweeper.loop
        if loop.time() + grace < self._timer.when():
            self._timer.cancel()
            if grace <= 0:
                self._force()
            else:
                self._timer = loop.call_later(grace, self._force)

    def close(self) -> None:
        """Stop watching and signalling, whoever is still alive."""
        self.active = False
        self._timer.cancel()
        self._sweeper.discard(self)
        for pidfd in self._members.values():
            self._sweeper.loop.remove_reader(pidfd)
            os.close(pidfd)
        self._members.clear()

    def owns(self, process: Survivor) -> bool:
        """True if `process` belongs to this tree."""
        return process.pid != self._spared and (
            (process.session == self._group != 0)
            or (process.marker != "" and under(self._marker, process.marker))
        )

    def meet(self, process: Survivor) -> None:
        """A sweep found `process`, a member: hold it and signal it."""
        pidfd = self._members.get(process.pid)
        if pidfd is None:
            pidfd = self._hold(process)
            if pidfd is None:
                self._missed = True
                return
            self._grown = True
            if not self._forced and process.group != self._group:
                _signal(pidfd, signal.SIGTERM)
                _signal(pidfd, signal.SIGCONT)
        if self._forced:
            # The group first: it dies as one, where single members could fork away.
            if process.session != os.getsid(0):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.group, signal.SIGKILL)
            _signal(pidfd, signal.SIGKILL)

    def conclude(self, *, settled: bool) -> None:
        """A sweep is over: done, or sweep again, or wait for the members met. `settled`:
        the sweep missed nobody."""
        if not self.active:
            return
        grown, self._grown = self._grown, False
        missed, self._missed = self._missed or not settled, False
        if self._members:
            # They may fork faster than one sweep sees; go on until nobody new turns up.
            if self._forced and (grown or missed):
                self._sweeper.request()
        elif missed:
            self._sweeper.request()
        else:
            self.close()
            self._on_gone()

    def _hold(self, process: Survivor) -> int | None:
        """A pidfd of `process`, watched; None if it is gone by now."""
        try:
            pidfd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return None
        try:
            now = look(process.pid)
        except OSError:
            os.close(pidfd)
            raise
        if now is None or now.started != process.started:
            os.close(pidfd)
            return None
        self._members[process.pid] = pidfd
        self._sweeper.loop.add_reader(pidfd, self._lost, process.pid)
        self.ended += 1
        return pidfd

    def _lost(self, pid: int) -> None:
        pidfd = self._members.pop(pid)
        self._sweeper.loop.remove_reader(pidfd)
        os.close(pidfd)
        if not self._members:
            self._sweeper.request()

    def _force(self) -> None:
        self._forced = True
        self._signal_group(signal.SIGKILL)
        for pidfd in self._members.values():
            _signal(pidfd, signal.SIGKILL)
        self._sweeper.request()

    def _signal_group(self, number: signal.Signals) -> None:
        if self._group:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, number)


async def end_all(prefix: str, grace: float = 5.0) -> int:
    """End every process whose marker is under `prefix`, this one excepted; returns how many
    there were. SIGTERM, then SIGKILL after `grace` seconds. Returns when none is left."""
    loop = asyncio.get_running_loop()
    sweeper = Sweeper(loop)
    if not await sweeper.finds(prefix):
        return 0
    gone: asyncio.Future[None] = loop.create_future()

    def on_gone() -> None:
        if not gone.done():
            gone.set_result(None)

    ending = Ending(sweeper, prefix, on_gone, grace=grace)
    try:
        await gone
    finally:
        ending.close()
    return ending.ended


def _signal(pidfd: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(pidfd, number)
