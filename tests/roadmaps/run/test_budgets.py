"""Budgets, by what the agent's provider says that it used."""

from __future__ import annotations

import pytest
from roadmap_world import World
from test_scenarios import module, plain


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


def test_a_task_has_a_budget_of_its_own(world: World) -> None:
    plain(world, "one", "two")
    world.script = {"1.1.1": [{"a.rb": "BROKEN"}], "1.1.2": [{"b.rb": "good"}]}
    found = world.run(command="! grep -qs BROKEN a.rb", retries=9, task={"1.1.1": {"tokens": 10}})
    assert [one.status for one in found.units] == ["deferred", "done"]
    assert [one.outcome for one in found.units[0].tries if one.outcome != "lost"] == ["failed"]
    assert found.units[0].ended
    assert "the task's budget of 10 tokens" in found.units[0].reason
