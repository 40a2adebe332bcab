"""Live fan-out of a run's events.

One bounded ring for all readers, and the journal behind it: a reader holds nothing but the
sequence it has reached, so a slow one costs no memory and never slows the run; it reads
what fell out of the ring from the journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from stoker.journal.base import Journal
from stoker.journal.events import Event

RING = 4096
"""Events kept in memory."""


class Feed:
    """The events of one run, as they become durable."""

    def __init__(self, run_id: str, journal: Journal, sequence: int) -> None:
        self._run_id = run_id
        self._journal = journal
        self._ring: deque[Event] = deque(maxlen=RING)
        self._last = sequence
        self._waiting: list[asyncio.Future[None]] = []
        self._pausing: list[asyncio.Future[None]] = []
        self._closed = False

    def publish(self, events: Sequence[Event]) -> None:
        """Hand on events that are durable."""
        self._ring.extend(events)
        self._last = events[-1].sequence
        self._notify()

    def close(self) -> None:
        """No more events will come from here; readers end once they have read all."""
        self._closed = True
        self._notify()
        for reader in self._pausing:
            _wake(reader)

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, []
        for reader in waiting:
            _wake(reader)

    async def read(self, after: int = 0, pace: float = 0.0) -> AsyncIterator[Event]:
        """Every event with a sequence above `after`, in order, without gap or duplicate.
        `pace`: seconds to leave between two looks, for a reader that need not see each at
        once; neither the first after a quiet while nor the end waits."""
        async for events in self.batches(after, pace):
            for event in events:
                yield event

    async def batches(self, after: int = 0, pace: float = 0.0) -> AsyncIterator[Sequence[Event]]:
        """As `read`, what there is at once together."""
        last_look = 0.0
        while True:
            while after < self._last:
                events = await self._next(after)
                if not events:
                    return  # the run was deleted
                after = events[-1].sequence
                yield events
            if self._closed:
                return
            loop = asyncio.get_running_loop()
            early = last_look + pace - loop.time()
            if early > 0:
                await self._pause(early)
                last_look = loop.time()
                continue
            changed = loop.create_future()
            self._waiting.append(changed)
            await changed
            last_look = loop.time()

    async def _pause(self, duration: float) -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        timer = loop.call_later(duration, _wake, over)
        self._pausing.append(over)
        try:
            await over
        finally:
            timer.cancel()
            self._pausing.remove(over)

    async def _next(self, after: int) -> Sequence[Event]:
        ring = self._ring
        if ring and ring[0].sequence <= after + 1:
            start = after + 1 - ring[0].sequence
            return [ring[place] for place in range(start, min(len(ring), start + 256))]
        return await self._journal.events(self._run_id, after=after, limit=1024)


def _wake(reader: asyncio.Future[None]) -> None:
    if not reader.done():  # not cancelled meanwhile
        reader.set_result(None)
