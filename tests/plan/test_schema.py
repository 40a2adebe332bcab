from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from stoker.plan.errors import PlanError
from stoker.plan.loader import loads
from stoker.plan.schema import schema
from stoker.plan.step_rules import Kinds

STEP = {"id": "a", "command": "x"}
CALL = {"type": "call", "url": "http://x"}


@pytest.fixture
def validator(kinds: Kinds) -> Draft202012Validator:
    document = json.loads(json.dumps(schema(kinds)))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def plan(**more: Any) -> dict[str, Any]:
    return {"plan_id": "p", "steps": [STEP]} | more


def step(**fields: Any) -> dict[str, Any]:
    return plan(steps=[{"id": "a"} | fields])


@pytest.mark.parametrize(
    "document",
    [
        plan(),
        plan(inputs={"a": 1, "b": {"required": True}, "c": None}, version=3, metadata={"x": [1]}),
        plan(**{"$schema": "urn:stoker:plan"}),
        plan(globals={"resources": {"m": "8GiB"}, "circuit_breaker": {"on_open": "fail"}}),
        step(run="x", condition=None, skip_if=["true"], approval=True, retry={"delay_sec": 1}),
        step(command="x", args=[1, "a", None, True], env={"A": 1}, matrix={"a": [1]}),
        step(step_def=CALL | {"attempts": "${{ run.id }}", "expect": [200]}),
        step(step_def=CALL | {"headers": {"a": "b"}, "method": "POST"}),
    ],
)
def test_what_loads_is_valid(
    document: dict[str, Any], validator: Draft202012Validator, kinds: Kinds
) -> None:
    loads(json.dumps(document), kinds=kinds)
    validator.validate(document)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"steps": [STEP]},
        plan(steps=[]),
        plan(unknown=1),
        plan(**{"$schema": 3}),
        plan(globals={"max_concurrency": "2"}),
        step(command="x", dependson=["a"]),
        step(command="x", depends_on="a"),
        step(command="x", on_failure="stop"),
        step(step_def={"type": "unknown"}),
        step(step_def={"url": "http://x"}),
        step(step_def={"type": "call"}),
        step(step_def=CALL | {"attempts": "many"}),
        step(step_def=CALL | {"attempts": 0}),
        step(step_def=CALL | {"header": {}}),
        step(step_def=CALL | {"method": "PUT"}),
    ],
)
def test_what_does_not_load_is_not_valid(
    document: Any, validator: Draft202012Validator, kinds: Kinds
) -> None:
    with pytest.raises(PlanError):
        loads(json.dumps(document), kinds=kinds)
    assert not validator.is_valid(document)


def test_names_and_descriptions(kinds: Kinds) -> None:
    document = schema(kinds)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"]
    about = document["$defs"]["Plan"]["properties"]["$schema"]["description"]
    assert about == "Where editors find the JSON Schema of this document."
    fields = document["$defs"]["Step"]["properties"]
    assert fields["run"]["description"] == "A line for `sh -c`."
    assert document["$defs"]["step_def.call"]["properties"]["url"]["description"] == "Where to."
    assert document["$defs"]["step_def.call"]["description"] == "Call a service."
