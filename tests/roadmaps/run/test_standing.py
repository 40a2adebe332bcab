"""How a run stands is asked for at each try: what is over is read once."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest
from test_order_grouping import roadmap, task

from stoker.engine.state import RunState
from stoker.roadmaps import standing
from stoker.roadmaps.plan import plan, units_of
from stoker.roadmaps.settings import Settings
from stoker.roadmaps.standing import Standings
from stoker.roadmaps.unit import Job
from stoker.steps.registry import kinds

TASKS = 300
JOB = Job(root="/r", source="/r/R.md", format="roadmap", branch="roadmap/r", base="0", title="R")


class Journal:
    async def runs(self, **only):
        return []


def made(count, text):
    found = roadmap(*(task(f"t{n}", description=text) for n in range(count)))
    settings = Settings(parallel=2)
    run = plan(found, units_of(found, settings), JOB, settings, kinds=kinds())
    assert run is not None
    return run


def test_tries_that_are_over_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(TASKS, "said once")
    state = RunState("r", run)
    read: Counter[str] = Counter()

    async def replayed(journal, run_id):
        read[run_id] += 1
        nested = RunState(run_id, made(1, ""))
        nested.status = "running" if run_id == f"r.t{TASKS - 1}.1" else "failed"
        return nested

    monkeypatch.setattr(standing, "replayed", replayed)

    async def main() -> None:
        standings = Standings(Journal())
        for step in state.steps:
            step.number = 1
            found = await standings.of("r", state)
        assert sum(len(one.tries) for one in found.units) == TASKS
        await standings.of("r", state)

    asyncio.run(main())
    last = read.pop(f"r.t{TASKS - 1}.1")
    assert set(read.values()) == {1}
    assert (len(read), last) == (TASKS - 1, 2)  # what is under way is read each time


def test_what_the_file_says_is_in_the_plan_once() -> None:
    word = "a-word-of-the-file"
    assert msgspec.json.encode(made(3, word)).count(word.encode()) == 3
