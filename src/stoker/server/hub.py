"""The events of all runs, whichever process drives them: read once, for any number of readers.

One task hears of every change of the journal and reads what is new. A reader holds nothing but
the place it has reached, so a slow one costs no memory: what has left the rings is read from the
journal, or, where the stream is that of all runs, told as a gap.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from msgspec import Struct

from stoker.engine.feed import Feed
from stoker.engine.lifecycle import RUN_OVER
from stoker.journal.base import Journal, JournalError, RunRow
from stoker.journal.events import (
    RUN_PAUSED,
    RUN_REOPENED,
    RUN_SETTLED,
    RUN_STARTED,
    RUN_UNPAUSED,
    Event,
)
from stoker.log import get_logger

log = get_logger(__name__)

UNFINISHED: Final = ("pending", "running", "paused", "quarantined")
EVERYTHING: Final = 1_000_000_000
RING: Final = 10_000
"""Events of all runs kept for those who come back."""

_PAGE = 1000
_NEWEST = 20
_REMEMBERED = 10_000
_PACE_SEC = 0.005
"""At least so long between two looks, and four times what a look takes."""
_SEARCH_SEC = 1.0
"""Between two searches for runs that others have reopened or begun with another clock."""
_LATE_SEC = 0.5
"""A run may be seen so much later than one that was created after it."""
_AGAIN_SEC = 1.0
_STATUS: Final = {
    RUN_STARTED: "running",
    RUN_PAUSED: "paused",
    RUN_UNPAUSED: "running",
    RUN_REOPENED: "running",
}


class Passed(Struct, frozen=True):
    """One event of the stream of all runs; `event` None: some were missed before this place."""

    place: str
    """Where a reader goes on that comes back."""
    event: Event | None


class _Tracked:
    """A run that is not over."""

    __slots__ = ("sequence", "status")

    def __init__(self, sequence: int, status: str) -> None:
        self.sequence = sequence
        self.status = status


class Hub:
    """Hands on events; `run` does the reading."""

    def __init__(
        self,
        journal: Journal,
        *,
        known: Callable[[str], int | None],
        on_event: Callable[[Event], None],
    ) -> None:
        """`known`: how far a run has come that this process drives itself; `on_event` hears of
        every event, once."""
        self._journal = journal
        self._known = known
        self._on_event = on_event
        self._tracked: dict[str, _Tracked] = {}
        self._over: OrderedDict[str, int] = OrderedDict()
        """Last sequences of runs that are over, by id."""
        self._feeds: dict[str, Feed] = {}
        self._readers: Counter[str] = Counter()
        self._newest = (0.0, "")
        self._since = 0.0
        """Of runs created later, the stream of all runs has every event."""
        self._search_at = 0.0
        self._wake = asyncio.Event()
        self._epoch = os.urandom(4).hex()
        self._ring: deque[Event] = deque(maxlen=RING)
        self._count = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled. A journal that fails is tried again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            loop = asyncio.get_running_loop()
            while True:
                await self._wake.wait()
                self._wake.clear()
                began = loop.time()
                try:
                    await self._look()
                except JournalError as error:
                    log.warning("events not read", error=str(error))
                    self._wake.set()
                    await asyncio.sleep(_AGAIN_SEC)
                await asyncio.sleep(max(_PACE_SEC, 4 * (loop.time() - began)))

    async def begin(self) -> None:
        """Learn what is there: streams of all runs begin after it. Raises `JournalError`."""
        for row in reversed(await self._journal.runs(limit=_PAGE)):
            self._newest = (row.created_at, row.run_id)
            if row.status in RUN_OVER:
                self._over[row.run_id] = row.last_sequence
        self._since = self._newest[0]
        for row in await self._journal.runs(limit=EVERYTHING, status=UNFINISHED):
            self._tracked[row.run_id] = _Tracked(row.last_sequence, row.status)

    def look(self) -> None:
        """Look for what is new, soon."""
        self._wake.set()

    def statuses(self) -> dict[tuple[str, ...], float]:
        """How many runs that are not over have which status."""
        counts = Counter(tracked.status for tracked in self._tracked.values())
        return {(status,): float(counts[status]) for status in UNFINISHED}

    async def events(self, run_id: str, after: int = 0) -> AsyncIterator[Sequence[Event]]:
        """The events of a run with a sequence above `after`, then live ones until it is over; what
        there is at once together. Raises `UnknownRun`."""
        row = await self._journal.run(run_id)
        tracked = self._tracked.get(run_id)
        if tracked is None:
            if row.status in RUN_OVER:
                while events := await self._journal.events(run_id, after=after, limit=_PAGE):
                    yield events
                    after = events[-1].sequence
                return
            tracked = self._track(row, row.last_sequence)
        if run_id not in self._feeds:
            self._feeds[run_id] = Feed(run_id, self._journal, tracked.sequence)
        feed = self._feeds[run_id]
        self._readers[run_id] += 1
        self.look()
        try:
            async for some in feed.batches(after):
                yield some
        finally:
            self._readers[run_id] -= 1
            if not self._readers[run_id]:
                del self._readers[run_id]
                if self._feeds.get(run_id) is feed:
                    del self._feeds[run_id]

    def all(self, place: str | None = None) -> AsyncIterator[Sequence[Passed]]:
        """The events of all runs behind `place`; without it, those from this call on; what there
        is at once together."""
        epoch, _, number = (place or "").partition(".")
        at = int(number) if epoch == self._epoch and number.isdecimal() else -1
        return self._all(self._count if place is None else at)

    async def _all(self, at: int) -> AsyncIterator[Sequence[Passed]]:
        while True:
            changed = self._changed
            first = self._count - len(self._ring)
            if not first <= at <= self._count:
                # Too long ago, or of another server.
                at = self._count
                yield [Passed(self._place(at), None)]
            elif at < self._count:
                numbers = range(at, min(at + _PAGE, self._count))
                at = numbers.stop
                yield [Passed(self._place(n + 1), self._ring[n - first]) for n in numbers]
            else:
                await changed.wait()

    def _place(self, number: int) -> str:
        return f"{self._epoch}.{number}"

    async def _listen(self) -> None:
        while True:
            try:
                async with self._journal.changes() as changes:
                    async for _ in changes:
                        self._wake.set()
            except JournalError as error:
                log.warning("changes not heard", error=str(error))
                await asyncio.sleep(_AGAIN_SEC)

    async def _look(self) -> None:
        await self._discover()
        for run_id, tracked in list(self._tracked.items()):
            if self._known(run_id) == tracked.sequence:
                continue
            while events := await self._journal.events(run_id, after=tracked.sequence, limit=_PAGE):
                self._publish(run_id, tracked, events)
                if len(events) < _PAGE:
                    break

    async def _discover(self) -> None:
        """Runs that are new, or go on again."""
        before: tuple[float, str] | None = None
        newest = self._newest
        while rows := await self._journal.runs(limit=_NEWEST, before=before):
            for row in rows:
                before = (row.created_at, row.run_id)
                if row.created_at < self._newest[0] - _LATE_SEC:
                    break
                newest = max(newest, before)
                if row.run_id not in self._tracked and row.run_id not in self._over:
                    self._track(row, 0)
            else:
                continue
            break
        self._newest = newest
        loop = asyncio.get_running_loop()
        if loop.time() < self._search_at:
            return
        self._search_at = loop.time() + _SEARCH_SEC
        for row in await self._journal.runs(limit=EVERYTHING, status=UNFINISHED):
            if row.run_id not in self._tracked:
                self._track(row, 0 if row.created_at > self._since else row.last_sequence)

    def _track(self, row: RunRow, sequence: int) -> _Tracked:
        sequence = self._over.pop(row.run_id, sequence)
        tracked = self._tracked[row.run_id] = _Tracked(sequence, row.status)
        return tracked

    def _publish(self, run_id: str, tracked: _Tracked, events: Sequence[Event]) -> None:
        for event in events:
            self._on_event(event)
            tracked.status = _STATUS.get(event.type, tracked.status)
            if event.type == RUN_SETTLED:
                tracked.status = str(event.data["status"])
        tracked.sequence = events[-1].sequence
        self._ring.extend(events)
        self._count += len(events)
        feed = self._feeds.get(run_id)
        if feed is not None:
            feed.publish(events)
        if tracked.status in RUN_OVER:
            del self._tracked[run_id]
            self._over[run_id] = tracked.sequence
            if len(self._over) > _REMEMBERED:
                self._over.popitem(last=False)
            if feed is not None:
                feed.close()
                del self._feeds[run_id]
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
