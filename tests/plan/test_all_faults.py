"""All faults of a file are told at once, and none that only follows from another."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.plan.errors import PlanError, Problem
from stoker.plan.loader import load, load_steps, loads
from stoker.plan.step_rules import Kinds

CORPUS = Path(__file__).parent / "corpus" / "every_fault.yaml"


def faults(document: Any, kinds: Kinds) -> tuple[Problem, ...]:
    try:
        return loads(json.dumps(document), name="p.json", kinds=kinds).warnings
    except PlanError as error:
        return error.problems


def told(document: Any, kinds: Kinds) -> list[str]:
    return [f"{fault.pointer}: {fault.message}" for fault in faults(document, kinds)]


def test_one_file_with_a_fault_of_every_kind(kinds: Kinds) -> None:
    expected = [
        (number, part.strip())
        for number, line in enumerate(CORPUS.read_text().splitlines(), start=1)
        if not line.startswith("#") and "#!" in line
        for part in line.partition("#!")[2].split(" | ")
    ]
    with pytest.raises(PlanError) as caught:
        load(CORPUS, kinds=kinds)
    found = caught.value.problems
    missing = [
        (line, text)
        for line, text in expected
        if not any(fault.line == line and text in fault.message for fault in found)
    ]
    spurious = [
        str(fault)
        for fault in found
        if not any(fault.line == line and text in fault.message for line, text in expected)
    ]
    assert (missing, spurious) == ([], [])
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("steps", "pointers"),
    [
        # What cannot be read might be what others look for.
        ([{"id": 3, "run": "x"}, {"id": "b", "run": "x", "depends_on": ["a"]}], ["/steps/0/id"]),
        (["a", {"id": "b", "run": "x", "condition": "prev.a.exit_code == 0"}], ["/steps/0"]),
        (["a", {"id": "b", "run": "x", "consumes": ["r"]}], ["/steps/0"]),
        (
            [{"id": "a", "run": "x", "provides": 3}, {"id": "b", "run": "x", "consumes": ["r"]}],
            ["/steps/0/provides"],
        ),
        ([{"id": "a", "run": "${{ consumes.r }}", "consumes": [["r"]]}], ["/steps/0/consumes/0"]),
        ([{"id": "a", "run": "${{ item }}", "foreach": 3}], ["/steps/0/foreach"]),
        ([{"id": "a", "run": "${{ matrix.x }}", "matrix": 3}], ["/steps/0/matrix"]),
        (
            [
                {"id": "a", "run": "x", "provides": ["r"], "fallback_step": ["b"]},
                {"id": "b", "run": "x", "provides": ["r"]},
            ],
            ["/steps/0/fallback_step"],
        ),
        ([{"id": "a", "command": 3, "args": [1]}], ["/steps/0/command"]),
        ([{"id": "a", "step_def": "call"}], ["/steps/0/step_def"]),
        ([{"id": "a", "run": "x", "critical": False, "on_failure": 3}], ["/steps/0/on_failure"]),
        ([{"id": "a", "run": "x", "retries": "3", "retry": {}}], ["/steps/0/retries"]),
        # A misspelt field counts as what it was meant for, and is checked where it stands.
        ([{"id": "a", "comand": "x", "args": [1]}], ["/steps/0/comand"]),
        ([{"id": "a", "run": "x", "foreach": [1], "max": 2}], ["/steps/0/max"]),
        (
            [{"id": "a", "run": "x", "depends": "b", "timeout_secs": -1}],
            [
                "/steps/0/depends",
                "/steps/0/depends/0",
                "/steps/0/timeout_secs",
                "/steps/0/timeout_secs",
            ],
        ),
        # What something else lacks is told all the same.
        (
            [{"id": 3, "run": "x"}, {"id": "b", "run": "${{ inputs.x }}", "consumes": ["r"]}],
            ["/steps/0/id", "/steps/1/consumes/0", "/steps/1/run"],
        ),
        (
            [{"id": "a", "command": 3, "run": "x", "args": [1]}],
            ["/steps/0", "/steps/0/command"],
        ),
    ],
)
def test_what_follows_is_held_back(steps: Any, pointers: list[str], kinds: Kinds) -> None:
    document = {"plan_id": "p", "steps": steps}
    assert sorted(fault.pointer for fault in faults(document, kinds)) == pointers


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_does_not_hide_the_rest(kinds: Kinds, number: str) -> None:
    text = f"""{{"plan_id": "p", "globals": {{"env": {{"A": {number}}}}}, "steps": [
 {{"id": "a", "command": "x", "timeout_sec": {number}, "retries": {number}, "cwd": {number}}},
 {{"id": {number}, "step_def": "x"}},
 {{"id": "c", "comand": "x", "depends_on": ["a", "nobody", {number}]}}]}}"""
    with pytest.raises(PlanError) as caught:
        loads(text, name="p.json", kinds=kinds)
    told = [(fault.line, fault.pointer, fault.message[:12]) for fault in caught.value.problems]
    assert told == [
        (1, "/globals/env/A", "not a finite"),
        (2, "/steps/0/timeout_sec", "not a finite"),
        (2, "/steps/0/retries", "not a finite"),
        (2, "/steps/0/cwd", "not a finite"),
        (3, "/steps/1/id", "not a finite"),
        (3, "/steps/1/step_def", "expected a m"),
        (4, "/steps/2/comand", "unknown fiel"),
        (4, "/steps/2/depends_on/2", "not a finite"),
    ]
    assert caught.value.problems[1].column == 45  # where the number stands


def test_a_text_that_nothing_can_carry_does_not_hide_the_rest(kinds: Kinds) -> None:
    text = r"""{"plan_id": "p\u0000", "steps": [{"id": "a\ud800", "run": "x", "retries": "3"}]}"""
    with pytest.raises(PlanError) as caught:
        loads(text, name="p.json", kinds=kinds)
    pointers = [fault.pointer for fault in caught.value.problems]
    assert pointers == ["/plan_id", "/steps/0/id", "/steps/0/retries"]


def test_the_same_holds_in_an_extension(kinds: Kinds) -> None:
    plan = loads('{"plan_id": "p", "steps": [{"id": "a", "run": "x"}]}', kinds=kinds).plan
    with pytest.raises(PlanError) as caught:
        load_steps('[{"id": "b", "retries": NaN, "runn": "x"}]', plan=plan, kinds=kinds)
    pointers = [fault.pointer for fault in caught.value.problems]
    assert pointers == ["/0/retries", "/0/runn"]


def test_a_key_that_comes_twice_does_not_hide_the_rest(kinds: Kinds) -> None:
    text = """plan_id: p
steps:
  - id: a
    run: x
    provides: [r]
    provides: ['1']
    timeout_sec: -1
    timeout_sec: -2
  - {id: b, run: x, consumes: [r], retries: x, locks: ['']}
"""
    with pytest.raises(PlanError) as caught:
        loads(text, name="p.yaml", kinds=kinds)
    assert [(fault.line, fault.pointer) for fault in caught.value.problems] == [
        (6, "/steps/0/provides"),
        (8, "/steps/0/timeout_sec"),
        (9, "/steps/1/retries"),
        (9, "/steps/1/locks"),
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"plan_id": "p", "steps": 3},
            ["/steps: expected a list of maps, found the number 3"],
        ),
        (
            {"plan_id": "p", "inputs": [], "steps": [{"id": "a", "run": "${{ inputs.x }}"}]},
            ["/inputs: expected a map, found a list"],
        ),
        (
            {"plan_id": "p", "globals": 3, "steps": [{"id": "a", "run": "x", "retry": {}}]},
            ["/globals: expected a map, found the number 3"],
        ),
        (
            {"plan_id": "p", "stesp": [{"id": "a", "run": "x", "timeout_sec": -1, "locks": [3]}]},
            [
                "/stesp: unknown field 'stesp' (did you mean 'steps'?); allowed: ",
                "/stesp/0/timeout_sec: expected more than 0, found -1",
                "/stesp/0/locks/0: expected a string, found the number 3",
            ],
        ),
        (
            {"steps": [{"id": "a", "run": "x", "timeout_sec": -1}]},
            [
                ": the required field 'plan_id' is missing",
                "/steps/0/timeout_sec: expected more than 0, found -1",
            ],
        ),
    ],
)
def test_faults_of_the_plan_itself(document: Any, expected: list[str], kinds: Kinds) -> None:
    found = told(document, kinds)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


def test_steps_to_add_are_told_at_once_too(kinds: Kinds) -> None:
    plan = loads('{"plan_id": "p", "steps": [{"id": "a", "run": "x"}]}', kinds=kinds).plan
    text = "- {id: a, rum: x}\n- {id: b, run: x, timeout_sec: -1, depends_on: [c], retries: x}"
    with pytest.raises(PlanError) as caught:
        load_steps(text, plan=plan, kinds=kinds)
    assert [fault.pointer for fault in caught.value.problems] == [
        "/0/id",
        "/0/rum",
        "/1/timeout_sec",
        "/1/depends_on/0",
        "/1/retries",
    ]


STEPS = 6
PLAN: dict[str, Any] = {
    "plan_id": "p",
    "inputs": {"n": 1},
    "globals": {"env": {}, "resources": {"gpu": 2}},
    "steps": [
        {
            "id": f"s{number}",
            "command": "x",
            "args": ["${{ inputs.n }}"],
            "depends_on": [f"s{number - 1}"] if number else [],
            "provides": [f"r{number}"],
            "condition": "inputs.n == 1",
            "retries": 1,
            "retry": {"delay_sec": 1},
            "env": {},
            "on_failure": "continue",
            "critical": False,
        }
        for number in range(STEPS)
    ],
}


def setting(name: str, value: Any) -> tuple[str, Callable[[dict[str, Any]], None]]:
    def change(step: dict[str, Any]) -> None:
        step[name] = value

    return name, change


def in_map(name: str, key: str, value: Any) -> tuple[str, Callable[[dict[str, Any]], None]]:
    def change(step: dict[str, Any]) -> None:
        step[name] = {**step.get(name, {}), key: value}

    return f"{name}.{key}", change


# Each is one fault whatever the others are; two with one name exclude each other.
FAULTS = [
    setting("args", "hello"),
    setting("args", [[1]]),
    setting("args", ["${{ inputs.nope }}"]),
    setting("command", 3),
    setting("command", " "),
    setting("unknwon", 1),
    setting("zzz", {}),
    setting("timeout_sec", -1),
    setting("timeout_sec", "1"),
    setting("retries", -1),
    setting("retries", "1"),
    setting("condition", "prev.s0.status =="),
    setting("condition", "inputs.nope"),
    setting("condition", 3),
    setting("on_failure", "stop"),
    setting("consumes", ["nope"]),
    setting("consumes", [3]),
    setting("locks", [""]),
    setting("tags", "a"),
    setting("fallback_step", 3),
    setting("skip_if", ["'"]),
    setting("matrix", []),
    setting("approval", {"timeout_sec": 0}),
    setting("approval", {"prompt": 0}),
    in_map("retry", "jitter", 2),
    in_map("retry", "backof", 2),
    in_map("retry", "max_delay_sec", "2"),
    in_map("env", "A=B", 1),
    in_map("env", "C", {}),
    in_map("resources", "gpu", 3),
    in_map("resources", "x", []),
]


@st.composite
def damage(draw: st.DrawFn) -> dict[tuple[int, str], Callable[[dict[str, Any]], None]]:
    """Faults by step and field."""
    places = st.tuples(st.integers(0, STEPS - 1), st.sampled_from(FAULTS))
    return {(step, name): change for step, (name, change) in draw(st.lists(places, max_size=12))}


@given(damage())
def test_as_many_problems_are_told_as_there_are_faults(
    changes: dict[tuple[int, str], Callable[[dict[str, Any]], None]],
) -> None:
    document = copy.deepcopy(PLAN)
    for (step, _), change in changes.items():
        change(document["steps"][step])
    found = Counter(place(fault.pointer) for fault in faults(document, {}))
    assert found == Counter(f"{step}/{name}" for step, name in changes)


def place(pointer: str) -> str:
    """Step, field and, in a map, key."""
    _, _, step, field, *inner = pointer.split("/")
    keys = inner[:1] if field in ("retry", "env", "resources") else []
    return ".".join([f"{step}/{field}", *keys])
