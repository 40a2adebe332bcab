"""Kind `approval`: a gate and nothing behind it."""

import pytest

from stoker.plan.model import Approval, Step
from stoker.steps.approval import KIND


def test_the_definition_is_the_gate_and_nothing_is_left_to_do(carry):
    definition = Approval(prompt="Ship it?", timeout_sec=60, default="approve")
    assert KIND.gate(definition) == definition
    outcome = carry("approval", prompt="Ship it?")
    assert outcome.result.error is None


@pytest.mark.parametrize("timeout", [0, -1])
def test_problems(carry, timeout):
    (problem,) = carry.problems("approval", timeout_sec=timeout)
    assert "more than 0 seconds" in problem
    step = Step(id="s", approval=True, step_def={"type": "approval"})
    (problem,) = KIND.check(step, Approval())
    assert "no 'approval' beside it" in problem
