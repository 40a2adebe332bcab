"""Inputs and amounts: what a plan and its surroundings come to."""

from __future__ import annotations

import math

import pytest

from stoker.plan.errors import PlanError
from stoker.plan.inputs import resolve
from stoker.plan.model import Input, Plan
from stoker.plan.quantity import QuantityError, quantity

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
