from __future__ import annotations

import gc
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoker.plan.errors import PlanError
from stoker.plan.loader import load, load_steps, loads
from stoker.plan.step_rules import Kinds

YAML = """\
plan_id: sample
inputs: {name: world}
steps:
  - &first
    id: first
    run: echo "${WORD}" ${{ inputs.name }}
    env: {A: "1", B: '${WORD}'}
  - <<: *first
    id: second
    depends_on: [first]
    condition: prev.first.status == 'success'
    retries: 2
"""
JSON = """{"plan_id": "sample", "globals": {"max_concurrency": 2}, "steps": [
 {"id": "a", "command": "true", "args": [1, "x", null], "condition": null},
 {"id": "b", "step_def": {"type": "call", "url": "http://x"}, "depends_on": ["a"]}]}
"""


def test_loading_a_file(tmp_path: Path, kinds: Kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("sub/plan.yaml").write_text(YAML)
    loaded = load("sub/plan.yaml", kinds=kinds, variables={"WORD": "hi", "UNUSED": "x"})
    assert loaded.path == str(tmp_path / "sub" / "plan.yaml")
    assert loaded.plan.steps[1].env == {"A": "1", "B": "hi"}
    assert loaded.graph.dependencies == [(), (0,)]
    assert [str(warning) for warning in loaded.warnings] == [
        "sub/plan.yaml:1:1: warning: the variable 'UNUSED' is given but used nowhere"
    ]
    assert gc.isenabled()


def test_loading_text(kinds: Kinds) -> None:
    assert loads(JSON, kinds=kinds).path is None
    with pytest.raises(PlanError, match=r"plan\.yaml:4:1: not valid YAML"):
        loads(JSON[:-4], kinds=kinds, name="plan.yaml")
    assert gc.isenabled()


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, kinds: Kinds, name: str) -> None:
    with pytest.raises(PlanError, match="cannot be read: "):
        load(tmp_path / name, kinds=kinds)


def test_steps_to_add(kinds: Kinds) -> None:
    plan = loads(JSON, kinds=kinds).plan
    for text in ("- {id: c, run: x, depends_on: [a]}", '{"steps": [{"id": "c", "run": "x"}]}'):
        assert [step.id for step in load_steps(text, plan=plan, kinds=kinds)] == ["c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- {id: a, run: x}", "s.yaml:1:8: [0].id: duplicate id 'a'"),
        ("steps:\n- {id: c, run: '${X}', depends_on: [z]}", "s.yaml:2:37: steps[0].depends_on[0]"),
        ("- {id: c, rum: x}", "s.yaml:1:11: [0].rum: unknown field 'rum' (did you mean 'run'?)"),
        ("- {id: c, command: '${X}'}", "s.yaml:1:20: [0].command: the variable 'X' is not given"),
        ("[]", "s.yaml:1:1: an extension needs at least one step"),
        ("step: []", "unknown field 'step' (did you mean 'steps'?)"),
        ("3", "s.yaml:1:1: expected a map"),
    ],
)
def test_steps_that_cannot_be_added(text: str, expected: str, kinds: Kinds) -> None:
    plan = loads(JSON, kinds=kinds).plan
    with pytest.raises(PlanError) as caught:
        load_steps(text, plan=plan, kinds=kinds, name="s.yaml")
    assert expected in str(caught.value)


@settings(max_examples=150)
@given(st.randoms(use_true_random=False), st.sampled_from([YAML, JSON]))
def test_damaged_plans_load_or_are_refused(dice: random.Random, text: str) -> None:
    characters = list(text)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(characters))
        match dice.randrange(4):
            case 0:
                del characters[place : place + dice.randint(1, 12)]
            case 1:
                characters.insert(place, dice.choice(" \n\t{}[],:\"'&*!|>%@-?#0aé\0\ud800"))
            case 2:
                characters[place:place] = characters[dice.randrange(place + 1) : place]
            case _:
                characters[place] = chr(dice.randrange(0x3000))
        characters = characters or [" "]
    damaged = "".join(characters)
    for name in ("p.yaml", "p.json"):
        try:
            loads(damaged, name=name, kinds={}, variables={"WORD": "w"})
        except PlanError as error:
            assert all(problem.file == name for problem in error.problems)
            str(error).encode()


def test_a_key_of_any_length_is_told_in_short(kinds: Kinds) -> None:
    with pytest.raises(PlanError) as caught:
        loads(f'{{"plan_id": "p", "{"x" * 100_000}": 1}}', name="p.json", kinds=kinds)
    assert len(str(caught.value)) < 500


def test_very_many_problems_are_counted(kinds: Kinds) -> None:
    steps = ",".join(f'{{"id": "s{n}", "run": "x", "depends_on": ["t{n}"]}}' for n in range(3_000))
    with pytest.raises(PlanError) as caught:
        loads(f'{{"plan_id": "p", "steps": [{steps}]}}', name="p.json", kinds=kinds)
    assert len(caught.value.problems) == 1_001
    assert caught.value.problems[-1].message == "and 2000 more problems"
