"""Reading a run's events from the journal, also while another process adds to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from stoker.engine.lifecycle import RUN_OVER
from stoker.journal.base import Journal
from stoker.journal.events import Event

_PAGE = 1000


async def batches(
    journal: Journal, run_id: str, *, after: int = 0, follow: bool = False
) -> AsyncGenerator[list[Event], None]:
    """The events with a sequence above `after`, as they are found; with `follow`, until the
    run is over (succeeded, failed or canceled). Close it (`contextlib.aclosing`) when leaving
    early. Raises `UnknownRun`."""
    if not follow:
        while events := await journal.events(run_id, after=after, limit=_PAGE):
            yield events
            after = events[-1].sequence
        return
    async with journal.changes() as changes:
        async for _ in changes:
            # The row first: what it says is over has all its events in the journal.
            row = await journal.run(run_id)
            while events := await journal.events(run_id, after=after, limit=_PAGE):
                yield events
                after = events[-1].sequence
            if row.status in RUN_OVER:
                return
