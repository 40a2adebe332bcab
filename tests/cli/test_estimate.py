"""How long a run will take, from past durations and events alone."""

from __future__ import annotations

import pytest

from stoker.cli.estimate import Estimate
from stoker.engine.state import RunState
from stoker.journal import events as ev
from stoker.journal.events import Event
from stoker.plan.model import Plan, Step


class History:
    """A run and its estimate, moved on by events."""

    def __init__(self, *steps: Step, durations: dict[str, float], width: int) -> None:
        self.state = RunState("r", Plan(plan_id="p", steps=steps))
        self.estimate = Estimate(self.state, durations, width)
        self._happened(0.0, ev.RUN_STARTED, None, {})

    def start(self, step: str, now: float) -> None:
        self._happened(now, ev.ATTEMPT_STARTING, step, {})

    def end(self, step: str, now: float) -> None:
        self._happened(now, ev.ATTEMPT_SETTLED, step, {"status": "succeeded"})
        self._happened(now, ev.STEP_SETTLED, step, {"status": "succeeded"})

    def _happened(self, now: float, kind: str, step: str | None, data: dict) -> None:
        event = Event("r", self.state.sequence + 1, kind, now, step, 1 if step else None, data)
        self.state.apply(event)
        self.estimate.see(event)


def _step(name: str, *after: str) -> Step:
    return Step(id=name, run="true", depends_on=after)


def test_the_longest_chain_or_all_the_work() -> None:
    durations = {"a": 10.0, "b": 20.0, "c": 5.0}
    steps = (_step("a"), _step("b", "a"), _step("c"))
    wide = History(*steps, durations=durations, width=8)
    wide.start("a", 0)
    wide.start("c", 0)
    assert wide.estimate.remaining(4) == pytest.approx(26)  # a's rest and b
    assert wide.estimate.next(3) == ["b"]
    wide.end("c", 5)
    wide.end("a", 10)
    wide.start("b", 10)
    assert wide.estimate.remaining(15) == pytest.approx(15)
    assert wide.estimate.next(3) == []
    wide.end("b", 30)
    assert wide.estimate.remaining(30) == 0

    narrow = History(*steps, durations=durations, width=1)
    narrow.start("a", 0)
    assert narrow.estimate.remaining(4) == pytest.approx(31)


def test_without_a_past_the_run_itself_is_one() -> None:
    run = History(*(_step(f"s{i}") for i in range(9)), durations={}, width=1)
    for number in range(3):
        assert run.estimate.remaining(2.0 * number) is None
        run.start(f"s{number}", 2.0 * number)
        run.end(f"s{number}", 2.0 * number + 2)
    run.start("s3", 6)
    assert run.estimate.remaining(7) == pytest.approx(11)  # 1 of s3, 5 more of 2


def test_next_goes_by_the_longest_path_and_leaves_fallbacks_out() -> None:
    steps = (
        _step("short"),
        _step("long"),
        Step(
            id="tail", run="x", depends_on=("long",), on_failure="fallback_step", fallback_step="f"
        ),
        _step("f"),
    )
    run = History(*steps, durations={"short": 1, "long": 5, "tail": 5, "f": 99}, width=1)
    assert run.estimate.next(9) == ["long", "tail", "short"]
