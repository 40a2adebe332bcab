"""Inputs, settings and amounts: what a plan and its surroundings come to."""

from __future__ import annotations

import math

import pytest

from stoker.plan.errors import PlanError
from stoker.plan.inputs import resolve
from stoker.plan.model import Approval, Globals, Input, Plan, Retry, Step
from stoker.plan.quantity import QuantityError, quantity
from stoker.plan.settings import settings

PLAN = Plan(
    plan_id="p",
    inputs={
        "target": "main",
        "count": 3,
        "ratio": Input(default=0.5),
        "dry": False,
        "token": Input(required=True, secret=True, description="of the API"),
        "note": Input(),
        "list": Input(default=[1]),
    },
)


def test_inputs_given_over_defaults() -> None:
    given = {
        "token": "t",
        "count": "12",
        "ratio": "1e-1",
        "dry": "TRUE",
        "list": [2],
        "target": "3",
    }
    inputs = resolve(PLAN, given)
    assert inputs.values == {
        "target": "3",
        "count": 12,
        "ratio": 0.1,
        "dry": True,
        "token": "t",
        "note": None,
        "list": [2],
    }
    assert inputs.secrets == {"token"}


def test_all_faults_of_inputs_are_told() -> None:
    plan = Plan(plan_id="p", inputs={**PLAN.inputs, "pin": Input(default=1, secret=True)})
    with pytest.raises(PlanError) as caught:
        resolve(plan, {"traget": "x", "dry": "maybe", "count": "inf", "pin": "hunter2"})
    assert [str(problem).partition(";")[0] for problem in caught.value.problems] == [
        "inputs.traget: no such input (did you mean 'target'?)",
        "inputs.count: expected a number, as its default is, found 'inf'",
        "inputs.dry: expected true or false, as its default is, found 'maybe'",
        "inputs.token: required, but not given (of the API)",
        "inputs.pin: expected a number, as its default is, found other text",
    ]
    with pytest.raises(PlanError, match="the plan has none"):
        resolve(Plan(plan_id="p"), {"a": 1})


def test_settings_of_a_step_that_says_nothing() -> None:
    found = settings(Plan(plan_id="p"), Step(id="a"))
    assert (found.timeout_sec, found.max_duration_sec, found.retries) == (None, None, 0)
    assert (found.retry, found.cwd, found.env, found.skip_if) == (Retry(), (), {}, ())
    assert (found.approval, found.strict_outputs, found.resources) == (None, False, {})


def test_settings_of_a_step_over_those_of_the_plan() -> None:
    common = Globals(
        default_timeout_sec=60,
        max_step_duration_sec=600,
        default_retries=2,
        env={"A": "plan", "B": True, "C": 1.5},
        cwd="src",
    )
    plan = Plan(plan_id="p", globals=common, strict_outputs=True)
    found = settings(plan, Step(id="a", skip_if="x", approval=True))
    assert (found.timeout_sec, found.max_duration_sec, found.retries) == (60, 600, 2)
    assert (found.cwd, found.skip_if, found.strict_outputs) == (("src",), ("x",), True)
    assert found.env == {"A": "plan", "B": "true", "C": "1.5"}
    assert found.approval == Approval()
    step = Step(
        id="a",
        timeout_sec=1,
        retries=0,
        retry=Retry(backoff=3),
        retry_delay_sec=7,
        env={"A": "step", "B": None, "D": 2},
        cwd="lib",
        strict_outputs=False,
        approval=Approval(prompt="?"),
        resources={"cpu": "500m"},
    )
    found = settings(plan, step)
    assert (found.timeout_sec, found.retries, found.cwd) == (1, 0, ("src", "lib"))
    assert found.retry == Retry(backoff=3, delay_sec=7)
    assert found.env == {"A": "step", "B": None, "C": "1.5", "D": "2"}
    assert (found.strict_outputs, found.approval) == (False, Approval(prompt="?"))
    assert found.resources == {"cpu": 0.5}


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (2, 2),
        (0.5, 0.5),
        ("2", 2),
        (".5", 0.5),
        ("500m", 0.5),
        ("8GiB", 8 * 1024**3),
        ("8 GB", 8e9),
        ("1Ki", 1024),
        ("1k", 1000),
        ("1K", 1000),
        ("100B", 100),
    ],
)
def test_amounts(value: float | str, amount: float) -> None:
    assert quantity(value) == amount


@pytest.mark.parametrize(
    "value", ["", "x", "1 2", "-1", "8gib", "1e3", "٣", -1, math.nan, math.inf]
)
def test_what_is_no_amount(value: float | str) -> None:
    with pytest.raises(QuantityError, match="not an amount"):
        quantity(value)
