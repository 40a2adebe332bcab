"""Races and crashes that the reference model has found, each told alone."""

from __future__ import annotations

from random import Random

import msgspec
from simulation import Case, World

from stoker.plan.graph import Graph
from stoker.plan.model import Plan, Step


def world(
    *steps: dict, extension: tuple[dict, ...] = (), slots: int | None = None, **more
) -> World:
    """A world at its first commit; attempts end as `end` says."""
    given = {"max_concurrency": 9, "resources": {"gpu": 2.0, "licence": 1.0}, **more}
    plan = msgspec.convert(
        {
            "plan_id": "p",
            "steps": [{"command": "true", **step} for step in steps],
            "globals": given,
        },
        Plan,
    )
    case = Case(
        plan=plan,
        extension=msgspec.convert([{"command": "true", **s} for s in extension], tuple[Step, ...]),
        outcomes={},
        slots=slots,
        manual=False,
        mischief=False,
        crashes=0,
    )
    made = World(case, Random(0))
    made.tick()
    return made


def end(world: World, step: str, code: int = 0) -> None:
    """The running attempt of a step ends; nothing is decided before the next tick."""
    index = world.machine.state.graph.index[step]
    world.case.outcomes[step] = (code,)
    world.happens("end", index)


def statuses(world: World) -> dict[str, str]:
    return {step.step.id: step.status for step in world.machine.state.steps}


def covering(step: str, fallback: str, **more) -> dict:
    return {"id": step, "on_failure": "fallback_step", "fallback_step": fallback, **more}


def test_a_shared_fallback_that_is_called_twice_starts_once_and_serves_both():
    run = world(
        covering("a", "f", provides=["x"]),
        covering("b", "f", provides=["y"]),
        {"id": "long", "timeout_sec": 9},
        {"id": "f", "provides": ["x", "y"]},
        {"id": "use", "consumes": ["y"]},
        max_concurrency=3,
    )
    end(run, "a", 1)
    end(run, "b", 1)  # in the same tick: the fallback is queued, not running
    run.tick()
    assert statuses(run)["f"] == "running"
    end(run, "f")
    end(run, "long")
    run.tick()
    end(run, "use")
    run.tick()
    assert run.machine.state.status == "succeeded"
    assert [event.type for batch in run.log for event in batch if event.step == "f"].count(
        "attempt.starting"
    ) == 1


def test_what_a_fallback_put_out_reaches_a_step_that_fails_after_it():
    run = world(
        covering("a", "f", provides=["x"]),
        covering("b", "f", provides=["y"]),
        {"id": "f", "provides": ["x", "y"]},
        {"id": "use", "consumes": ["y"]},
    )
    end(run, "a", 1)
    run.tick()
    end(run, "f")
    run.tick()
    end(run, "b", 1)
    run.tick()
    assert run.consumed["use"] == {"y": "y by f"}


def test_a_failed_fallback_stands_in_for_nothing_whatever_its_policy():
    run = world(
        covering("a", "f"),
        {"id": "f", "on_failure": "continue", "critical": False},
        {"id": "use", "depends_on": ["a"]},
    )
    end(run, "a", 1)
    run.tick()
    end(run, "f", 1)
    run.tick()
    assert statuses(run)["use"] == "skipped"
    assert run.machine.state.status == "failed"


def test_a_backoff_that_is_over_when_the_run_is_aborted_starts_nothing():
    run = world({"id": "again", "retries": 1}, {"id": "bad"})
    end(run, "again", 1)
    run.tick()
    end(run, "bad", 1)
    run.happens("backoff", 0)  # it went off in the same turn of the loop
    run.tick()
    assert statuses(run) == {"again": "skipped", "bad": "failed"}
    assert run.machine.over


def test_steps_added_while_the_run_ends_end_with_it():
    run = world({"id": "bad"}, {"id": "long"}, extension=({"id": "late"},))
    end(run, "bad", 1)
    run.tick()
    run.happens("extend", -1)
    run.tick()
    end(run, "long")
    run.tick()
    assert statuses(run) == {"bad": "failed", "long": "canceled", "late": "skipped"}
    assert run.machine.state.status == "failed"


def test_a_fallback_that_is_a_foreach_joins_its_children_after_a_crash():
    run = world(covering("a", "each"), {"id": "each", "foreach": ["x"]})
    end(run, "a", 1)
    run.tick()
    run.crash()
    run.tick()
    end(run, "each[x]")
    run.tick()
    assert run.machine.state.status == "succeeded"


def test_a_fallback_that_is_a_foreach_may_look_at_what_it_stands_in_for():
    run = world(
        covering("a", "each"),
        {"id": "each", "foreach": ["x"], "condition": "prev.a.status == 'failed'"},
    )
    end(run, "a", 1)
    run.tick()
    assert statuses(run)["each[x]"] == "running"


def test_an_adopted_step_has_its_locks_before_those_that_waited_for_them():
    run = world(
        {"id": "waits", "locks": ["L"], "depends_on": ["first"]},
        {"id": "first"},
        {"id": "holds", "locks": ["L"], "on_interrupt": "adopt"},
    )
    run.happens("grant", 2)
    run.tick()
    end(run, "first")
    run.tick()
    run.crash()
    run.tick()
    assert list(run.claims) == [2, 0]


def test_locks_that_come_late_to_an_adopted_step_do_not_cut_its_backoff_short():
    run = world({"id": "a", "locks": ["L"], "on_interrupt": "adopt", "retries": 2})
    run.happens("grant", 0)
    run.tick()
    run.crash()
    run.tick()
    end(run, "a", 1)
    run.happens("grant", 0)
    run.tick()
    assert (statuses(run)["a"], run.machine.state["a"].reason) == ("waiting", "backoff")
    run.happens("backoff", 0)
    run.tick()
    assert statuses(run)["a"] == "running"


def test_the_limit_of_a_step_counts_over_a_crash_and_not_past_itself_when_the_clock_goes_back():
    run = world({"id": "a"}, max_step_duration_sec=100)
    run.now += 30
    run.crash()
    run.tick()
    assert run.delays["step_limit", 0] == 70
    run.now -= 5000
    run.crash()
    run.tick()
    assert run.delays["step_limit", 0] == 100


def test_a_step_that_does_not_fit_does_not_keep_the_loop_spinning():
    run = world({"id": "a", "resources": {"gpu": 2}}, {"id": "b", "resources": {"gpu": 2}}, slots=4)
    run.tick()  # the world fails if the machine wakes itself here
    assert statuses(run) == {"a": "running", "b": "waiting"}


def test_a_fallback_that_waits_for_a_step_that_looks_at_what_it_stands_in_for_is_a_cycle():
    steps = [
        Step(id="a", command="true", on_failure="fallback_step", fallback_step="f"),
        Step(id="report", command="true", condition="prev.a.status == 'failed'"),
        Step(id="f", command="true", depends_on=("report",)),
    ]
    assert next(Graph.build(steps).cycles()) == ("report", "f", "report")


def test_the_time_of_an_attempt_stands_still_while_it_asks_a_person():
    run = world({"id": "s", "timeout_sec": 60, "on_interrupt": "adopt"})
    timeout = ("timeout", 0)

    def left(after: float) -> float | None:
        run.now += after
        run.tick()
        return run.delays[timeout] if timeout in run.timers else None

    assert left(0) == 60
    run.machine.ask(0, "a", "may I?", run.now + 20)
    assert left(20) is None
    run.now += 1000
    run.crash()
    assert left(0) == 40  # until it asks again
    run.machine.ask(0, "a", "may I?", run.now)
    assert left(1000) is None
    run.machine.decide(0, "approve", "", "anna", run.now)
    assert left(0) == 40
    run.now += 10
    run.machine.ask(0, "b", "and that?", run.now)
    assert left(1000) is None
    run.machine.withdraw(0, "b", run.now)
    assert left(0) == 30
    run.now += 5
    run.crash()
    assert left(0) == 25
    run.happens("timeout", 0)
    run.tick()
    end(run, "s")
    run.tick()
    assert run.machine.state["s"].reason == "timed out after 60 s"


def test_an_attempt_that_had_asked_is_followed_by_another_after_a_crash():
    run = world({"id": "s", "retries": 1})
    run.machine.ask(0, "a", "may I?", run.now)
    run.machine.decide(0, "reject", "", "anna", run.now)
    end(run, "s", 1)
    run.tick()
    run.crash()
    run.tick()
    assert statuses(run) == {"s": "running"}
