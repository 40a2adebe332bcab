"""A status that no step ever has is a mistake, not a condition that is never true."""

from __future__ import annotations

import pytest

from stoker.api import loads
from stoker.plan.errors import PlanError


def plan(text: str) -> str:
    return f"plan_id: p\nsteps:\n- {{id: a, run: x}}\n- {{id: b, run: x, {text}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "condition: prev.a.status == 'succeeded'",
            "steps[1].condition: a step's status is never 'succeeded' (did you mean 'success'?); "
            "known: canceled, failed, skipped, success",
        ),
        ("condition: '\"fail\" != prev.a.status'", "never 'fail' (did you mean 'failed'?)"),
        ("skip_if: [\"prev.a.status in ['failed', 'cancelled']\"]", "(did you mean 'canceled'?)"),
        ("condition: \"'ok' in [prev.a.status]\"", "a step's status is never 'ok'; known"),
        ("env: {A: \"${{ prev.a.status == 'done' ? 1 : 2 }}\"}", "is never 'done'"),
    ],
)
def test_a_status_no_step_has(text: str, expected: str) -> None:
    with pytest.raises(PlanError) as caught:
        loads(plan(text))
    assert len(caught.value.problems) == 1
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "condition: prev.a.status in ['success', 'failed', 'skipped', 'canceled']",
        "condition: prev.a.status == prev.a.outputs.x",
        "condition: prev.a.outputs.status == 'succeeded'",
        "condition: prev.a.status == 'success' and inputs.x == 'succeeded'",
    ],
)
def test_other_comparisons(text: str) -> None:
    loads("inputs: {x: y}\n" + plan(text.replace("condition: ", 'condition: "') + '"'))
