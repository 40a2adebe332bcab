"""Kind `plan`: loading the nested plan, and how deep that may go."""

import json

import pytest

from stoker.engine.kinds import StepFailed
from stoker.steps.plan import DEPTH, MAX_DEPTH

PLAN = {
    "plan_id": "inner",
    "inputs": {"n": 1},
    "globals": {"env": {"KEPT": "yes"}},
    "steps": [{"id": "one", "command": "echo", "args": ["${WORD}"]}],
}


def test_the_nested_plan_is_loaded_and_run(carry, write):
    write("plans/inner.json", json.dumps(PLAN))
    outcome = carry("plan", path="plans/inner.json", inputs={"n": 2}, variables={"WORD": "hi"})
    assert outcome.result.outputs == {"nested": "inner"}
    ((plan, inputs),) = outcome.attempt.nested
    assert inputs == {"n": 2}
    assert plan.steps[0].args == ("hi",)
    assert plan.globals.env == {"KEPT": "yes", DEPTH: "1"}


def test_warnings_are_logged(carry, write):
    write("inner.json", json.dumps({**PLAN, "steps": [{"id": "a", "command": "true"}]}))
    assert "WORD" in carry("plan", path="inner.json", variables={"WORD": "unused"}).err


def test_the_depth_grows_and_ends(carry, write):
    write("inner.json", json.dumps(PLAN))
    given = {"path": "inner.json", "variables": {"WORD": "hi"}}
    carry.env[DEPTH] = str(MAX_DEPTH - 1)
    ((plan, _),) = carry("plan", **given).attempt.nested
    assert plan.globals.env[DEPTH] == str(MAX_DEPTH)
    carry.env[DEPTH] = str(MAX_DEPTH)
    with pytest.raises(StepFailed, match="nested more than 16 deep; does a plan include itself"):
        carry("plan", **given)


def test_a_plan_that_is_not_valid_says_everything(carry, write):
    write("inner.json", '{\n"plan_id": "x", "stepz": [],\n"steps": [{"id": "a"}]}')
    with pytest.raises(StepFailed, match="the nested plan is not valid") as caught:
        carry("plan", path="inner.json")
    assert "stepz" in str(caught.value)
    assert "inner.json:2:" in str(caught.value)


def test_a_plan_that_is_not_there(carry):
    with pytest.raises(StepFailed, match=r"nowhere\.yaml"):
        carry("plan", path="nowhere.yaml")


def test_problems(carry):
    assert carry.problems("plan", path="") == ["path: expected a plan file, found nothing"]


def test_a_secret_cannot_be_part_of_a_variable(carry, write):
    write("inner.json", json.dumps(PLAN))
    with pytest.raises(StepFailed, match=r"step 's': variables\.WORD holds a secret") as caught:
        carry("plan", path="inner.json", variables={"WORD": f"x {carry.secret}"})
    assert "`secret: true`" in str(caught.value)
