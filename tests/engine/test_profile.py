"""What holds for a step once the plan's globals and its kind have had their say."""

from __future__ import annotations

from stoker.engine.profile import profile
from stoker.plan.model import Approval, Globals, Plan, Retry, Step
from stoker.steps.registry import kinds


def test_a_step_that_says_nothing() -> None:
    found = profile(Plan(plan_id="p"), Step(id="a", command="x"), kinds())
    assert (found.timeout_sec, found.step_limit_sec, found.retries) == (None, None, 0)
    assert (found.retry, found.approval) == (Retry(), None)
    assert (found.strict_outputs, found.demand, found.plain) == (False, (), True)


def test_a_step_over_the_plan() -> None:
    common = Globals(default_timeout_sec=60, max_step_duration_sec=600, default_retries=2)
    plan = Plan(plan_id="p", globals=common, strict_outputs=True)
    found = profile(plan, Step(id="a", command="x", approval=True), kinds())
    assert (found.timeout_sec, found.step_limit_sec, found.retries) == (60, 600, 2)
    assert (found.strict_outputs, found.approval) == (True, Approval())
    step = Step(
        id="a",
        command="x",
        timeout_sec=1,
        retries=0,
        retry=Retry(backoff=3),
        retry_delay_sec=7,
        strict_outputs=False,
        approval=Approval(prompt="?"),
        resources={"cpu": "500m"},
    )
    found = profile(plan, step, kinds())
    assert (found.timeout_sec, found.retries) == (1, 0)
    assert found.retry == Retry(backoff=3, delay_sec=7)
    assert (found.strict_outputs, found.approval) == (False, Approval(prompt="?"))
    assert found.demand == (("cpu", 0.5),)
