"""Budgets, by what the agent's provider says that it used."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from model_server import Refuse, Reply
from roadmap_world import World, begin
from test_scenarios import module, plain

from stoker.engine.engine import Engine
from stoker.roadmaps.standing import RunStanding, standing


@pytest.mark.parametrize(
    ("budget", "whose"),
    [
        ({"tokens": 10}, "the run's budget of 10 tokens"),
        ({"cost_usd": 0.001}, "the run's budget of $0.001"),
        ({"day_tokens": 10}, "the day's budget of 10 tokens"),
        ({"day_cost_usd": 0.001}, "the day's budget of $0.001"),
    ],
)
def test_what_was_spent_defers_the_rest(world: World, budget: dict[str, float], whose: str) -> None:
    plain(world, "one", "two")
    world.script = {"1.1.1": [module("one")], "1.1.2": [module("two")]}
    found = world.run(budget=budget, command="true")
    assert [one.status for one in found.units] == ["done", "deferred"]
    assert whose in found.units[1].reason
    # What found that nothing more may be spent has tried nothing.
    assert [len(one.tries) for one in found.units] == [1, 0]
    state = json.loads((world.root / ".executor" / "state.json").read_bytes())
    assert state["tasks"]["1.1.2"]["attempts"] == 0


def test_a_task_has_a_budget_of_its_own(world: World) -> None:
    plain(world, "one", "two")
    world.script = {"1.1.1": [{"a.rb": "BROKEN"}], "1.1.2": [{"b.rb": "good"}]}
    found = world.run(command="! grep -qs BROKEN a.rb", retries=9, task={"1.1.1": {"tokens": 10}})
    assert [one.status for one in found.units] == ["deferred", "done"]
    assert len(found.units[0].tries) == 1
    assert [one.outcome for one in found.units[0].tries if one.outcome != "lost"] == ["failed"]
    assert found.units[0].ended
    assert "the task's budget of 10 tokens" in found.units[0].reason


def test_what_a_try_has_used_counts_though_its_agent_did_not_live_to_say_so(world: World) -> None:
    plain(world, "one", "two")
    world.script = {"1.1.1": [module("one")], "1.1.2": [module("two")]}
    world.on_end = lambda task, number: Refuse(400) if task == "1.1.1" else None
    found = world.run(command="true", retries=9, task={"1.1.1": {"tokens": 10}})
    assert [one.status for one in found.units] == ["deferred", "done"]
    assert "the task's budget of 10 tokens is used up" in found.units[0].reason
    (tried, *_) = found.units[0].tries
    assert (tried.outcome, tried.tokens > 10, tried.cost_usd > 0) == ("failed", True, True)


@pytest.mark.parametrize(
    ("budget", "whose"),
    [
        ({"day_tokens": 10}, "the day's budget of 10 tokens"),
        ({"day_cost_usd": 0.001}, "the day's budget of $0.001"),
    ],
)
def test_what_a_try_that_was_cut_short_has_used_counts(
    world: World, budget: dict[str, float], whose: str
) -> None:
    plain(world, "one", "two")
    world.script = {"1.1.1": [module("one")], "1.1.2": [module("two")]}
    asked, over = threading.Event(), threading.Event()

    def on_end(task: str, number: int) -> Reply | None:
        asked.set()
        over.wait(60)
        return None

    async def canceled(engine: Engine) -> RunStanding:
        handle = await begin(engine, world, "ROADMAP.md")
        await asyncio.to_thread(asked.wait, 60)
        await handle.cancel("enough", by="test")
        await handle.wait()
        return await standing(engine.journal, handle.run_id, engine.directory / "runs")

    world.on_end = on_end
    found = world.engine(canceled)
    over.set()
    (tried,) = found.units[0].tries
    assert (tried.outcome, tried.tokens > 10) == ("lost", True)
    world.on_end = lambda task, number: None
    found = world.run(run_id="r2", budget=budget, command="true")
    assert [one.status for one in found.units] == ["deferred", "deferred"]
    assert whose in found.units[0].reason
    assert len(world.prompts) == 1
