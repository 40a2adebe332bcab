from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.plan.decode import decode
from stoker.plan.explain import explain
from stoker.plan.model import Globals, Plan, Retry, Step

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "abort", "continue", "once", "wait", "${{ x }}", "3"])
)
NAMES = st.sampled_from(
    sorted({*Plan.__struct_fields__, *Step.__struct_fields__, *Globals.__struct_fields__, "x"})
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)


def fields(model: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Documents near a model: mostly its own fields, mostly with values of any sort."""
    return st.dictionaries(st.sampled_from([*model.__struct_fields__, "unknown"]), VALUES)


PLANS = st.fixed_dictionaries(
    {"plan_id": st.just("p")},
    optional={
        "steps": st.lists(fields(Step).map(lambda step: {"id": "a"} | step), max_size=3),
        "globals": fields(Globals),
        "inputs": st.dictionaries(st.sampled_from(["i", "j"]), VALUES),
        "metadata": VALUES,
        "retries": VALUES,
    },
)


@given(PLANS | VALUES)
def test_explains_exactly_what_msgspec_refuses(raw: Any) -> None:
    try:
        msgspec.convert(raw, Plan)
    except msgspec.ValidationError:
        assert explain(raw, Plan)
    else:
        assert explain(raw, Plan) == []


@given(PLANS)
def test_decoding_never_raises_and_keeps_what_is_sound(raw: Any) -> None:
    decoded = decode(raw)
    assert (decoded.plan is None) <= bool(decoded.problems)
    if decoded.plan is not None:
        assert len(decoded.plan.steps) == len(raw.get("steps", ()))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"plan_id": "p", "steps": 3}, "steps: expected a list of maps, found the number 3"),
        ({"steps": []}, "the required field 'plan_id' is missing"),
        ([], "expected a map, found a list"),
        (
            {"plan_id": "p", "globls": {}},
            "globls: unknown field 'globls' (did you mean 'globals'?)",
        ),
        ({"plan_id": "p", "zzz": {}}, "zzz: unknown field 'zzz'; allowed: $schema, description"),
        ({"plan_id": None}, "plan_id: expected a string, found null"),
        ({"plan_id": "p", "version": []}, "version: expected a string or a number, found a list"),
        (
            {"plan_id": "p", "steps": [{"id": "a", "on_failure": "abrot"}]},
            "steps[0].on_failure: expected one of 'abort', 'continue', 'fallback_step', "
            "'skip_dependents', found the string 'abrot' (did you mean 'abort'?)",
        ),
        (
            {"plan_id": "p", "steps": [{"id": "a", "depends_on": 3}]},
            "steps[0].depends_on: expected a list of strings, found the number 3",
        ),
        (
            {"plan_id": "p", "steps": [{"id": "a", "approval": {"prompt": 1}}]},
            "steps[0].approval.prompt: expected a string, found the number 1",
        ),
        (
            {"plan_id": "p", "steps": [{"id": "a", "args": [1, [2]]}]},
            "steps[0].args[1]: expected a string, a number, true or false or null, found a list",
        ),
        (
            {"plan_id": "p", "globals": {"max_concurrency": True}},
            "globals.max_concurrency: expected a whole number or null, found true",
        ),
    ],
)
def test_messages_are_in_plain_words(raw: Any, expected: str) -> None:
    (problem,) = explain(raw, Plan)
    assert str(problem).startswith(expected)


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    count: int = msgspec.field(default=1)
    moment: msgspec.UnsetType | str = msgspec.UNSET


def test_constraints_and_types_of_others() -> None:
    from datetime import datetime
    from typing import Annotated

    small = Annotated[int, msgspec.Meta(ge=1)]
    assert [p.message for p in explain({"a": 0, "b": 2}, dict[str, small])] == [
        "expected int >= 1, found the number 0"
    ]
    assert len(explain(["x"], list[datetime])) == 1  # msgspec's own message
    (found,) = explain([{"b": 10**400}], list[dict[str, float]])
    assert (found.pointer, found.message) == ("/0", "Number out of range")
    assert explain("2024-01-01T00:00:00Z", datetime) == []


def test_templates_stand_for_values_of_any_type() -> None:
    raw = {"delay_sec": "${{ inputs.n }}", "jitter": "x", "on_exit_codes": ["${{ item }}", 1.5]}
    assert [p.pointer for p in explain(raw, Retry, templates=True)] == [
        "/jitter",
        "/on_exit_codes/1",
    ]
    assert len(explain(raw, Retry)) == 4


def test_the_sound_part_is_decoded_beside_the_problems() -> None:
    raw = {
        "plan_id": 3,
        "unknown": 1,
        "inputs": {"n": [1]},
        "steps": [
            {"id": "a", "command": "x", "dependson": ["b"]},
            {"command": 3, "provides": "r"},
            {"id": "c", "timeout_sec": "1", "depends_on": ["a"]},
            "step",
        ],
    }
    decoded = decode(raw)
    assert decoded.plan is not None
    assert [step.depends_on for step in decoded.plan.steps] == [("b",), (), ("a",), ()]
    assert decoded.plan.steps[1].provides == ("r",)
    assert len(decoded.problems) == 9
    assert decoded.is_sound("/steps/0/command")
    assert decoded.is_sound("/steps/2/depends_on/0")
    assert not decoded.is_sound("/steps/2/timeout_sec")
    assert not decoded.is_sound("/steps/3/depends_on/0")
    assert json.loads(json.dumps(raw)) == raw  # untouched
