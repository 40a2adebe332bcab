"""Fan-out: every reader sees every event once and in order, however slow, in bounded memory."""

import asyncio

import pytest

from stoker.engine import feed as feeds
from stoker.engine.feed import Feed
from stoker.journal.events import Event


class Memory:
    """The journal's side of it: all events, by sequence."""

    def __init__(self):
        self.events_ = []
        self.reads = 0

    async def events(self, run_id, *, after=0, limit=None):
        self.reads += 1
        return self.events_[after : after + (limit or len(self.events_))]


def event(sequence):
    return Event("r", sequence, "step.waiting", 0.0)


@pytest.fixture
def small_ring(monkeypatch):
    monkeypatch.setattr(feeds, "RING", 8)


def test_slow_and_late_readers_miss_nothing(small_ring):
    async def main():
        journal = Memory()
        feed = Feed("r", journal, 0)
        seen = {"fast": [], "slow": [], "late": []}
        turn = asyncio.Event()

        async def read(name, after=0):
            async for each in feed.read(after):
                seen[name].append(each.sequence)
                if name == "slow":
                    await turn.wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(read("fast"))
            group.create_task(read("slow"))
            for start in range(1, 100, 3):
                batch = [event(n) for n in range(start, start + 3)]
                journal.events_ += batch
                feed.publish(batch)
                await asyncio.sleep(0)
            turn.set()
            group.create_task(read("late", after=50))
            feed.close()
        assert seen["fast"] == seen["slow"] == list(range(1, 100))
        assert seen["late"] == list(range(51, 100))
        assert journal.reads > 0

    asyncio.run(main())


def test_a_reader_that_is_up_to_date_never_asks_the_journal(small_ring):
    async def main():
        journal = Memory()
        feed = Feed("r", journal, 0)
        seen = []

        async def read():
            async for each in feed.read():
                seen.append(each.sequence)

        reader = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        for n in range(1, 50):
            feed.publish([event(n)])
            await asyncio.sleep(0)
        feed.close()
        await reader
        assert seen == list(range(1, 50))
        assert journal.reads == 0

    asyncio.run(main())
