"""Plan files that steps run are read and checked together with the plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stoker.plan.errors import PlanError, Problem
from stoker.plan.loader import load, load_steps, loads
from stoker.plan.nesting import MAX_DEPTH
from stoker.steps.registry import kinds

Write = Callable[..., None]
INNER = "plan_id: inner\ninputs: {region: {required: true}, size: 3}\nsteps: [{id: a, run: x}]\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file below the current directory."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> None:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def runs(path: str, more: str = "", fields: str = "") -> str:
    """A plan with one step that runs a plan file."""
    step = f"  - id: s\n    step_def: {{type: plan, path: {path}{fields}}}\n"
    return f"plan_id: p\nsteps:\n{step}" + (f"    {more}\n" if more else "")


def problems(path: str, **options: Any) -> tuple[Problem, ...]:
    try:
        return load(path, kinds=kinds(), **options).warnings
    except PlanError as error:
        return error.problems


def told(path: str, **options: Any) -> list[str]:
    return list(map(str, problems(path, **options)))


def test_a_nested_plan_that_is_right(write: Write) -> None:
    write("inner.yaml", INNER)
    write("plan.yaml", runs("inner.yaml", fields=", inputs: {region: eu, size: '${{ run.id }}'}"))
    assert told("plan.yaml") == []


def test_the_faults_of_a_nested_plan_have_its_own_places(write: Write) -> None:
    write("plan.yaml", runs("inner.yaml", "timeout_sec: 0"))
    write(
        "inner.yaml", "plan_id: i\nsteps:\n  - {id: a, runn: x}\n  - {id: b, run: x, retries: -1}\n"
    )
    assert [text.partition(" (")[0] for text in told("plan.yaml")] == [
        "plan.yaml:5:18: steps[0].timeout_sec: expected more than 0, found 0",
        "inner.yaml:3:13: steps[0].runn: unknown field 'runn'",
        "inner.yaml:4:30: steps[1].retries: expected 0 or more, found -1",
    ]


def test_a_nested_plan_is_no_document(write: Write) -> None:
    write("plan.yaml", runs("inner.json"))
    write("inner.json", "{")
    assert told("plan.yaml")[0].startswith("inner.json:1:2: not valid JSON")


def test_a_nested_plan_that_is_not_there(write: Write, tmp_path: Path) -> None:
    write("plan.yaml", runs("inner.yaml"))
    assert told("plan.yaml") == [
        "plan.yaml:4:34: steps[0].step_def.path: 'inner.yaml' cannot be read: "
        f"No such file or directory (from the directory {tmp_path})"
    ]
    Path("inner.yaml").mkdir()
    assert "Is a directory" in told("plan.yaml")[0]


@pytest.mark.parametrize(
    "later", ["depends_on: [make]", "consumes: [file]", "env: {A: '${{ prev.make.status }}'}"]
)
def test_a_file_that_a_step_before_may_make(write: Write, later: str) -> None:
    make = "  - {id: make, run: x, provides: [file]}\n"
    write("plan.yaml", runs("made.yaml", later) + make)
    (fault,) = problems("plan.yaml")
    assert fault.severity == "warning"
    assert "fails if no step before it makes it" in fault.message
    # So it is for the steps of a plan that comes later.
    write("made.yaml", runs("more.yaml"))
    (fault,) = problems("plan.yaml")
    assert (fault.severity, fault.file) == ("warning", "made.yaml")


def test_a_file_that_a_step_is_known_to_make_is_not_read(write: Write) -> None:
    write("plan.yaml", runs("made.yaml") + "  - {id: m, run: x, outputs_files: [made.yaml]}\n")
    assert told("plan.yaml") == []
    write("made.yaml", "an old one")
    assert told("plan.yaml") == []


@pytest.mark.parametrize(
    ("step", "common"),
    [
        ("path: deep/er/inner.yaml", "{}"),
        ("path: er/inner.yaml}, cwd: deep, env: {A: b", "{}"),
        ("path: inner.yaml}, cwd: er, env: {A: b", "{cwd: deep}"),
        ("path: ../inner.yaml", "{cwd: deep/er/most}"),
    ],
)
def test_relative_paths_start_where_the_step_runs(write: Write, step: str, common: str) -> None:
    write("deep/er/inner.yaml", "plan_id: i\nsteps: []\n")
    write("deep/er/most/x", "")
    write(
        "p.yaml",
        f"plan_id: p\nglobals: {common}\nsteps: [{{id: s, step_def: {{type: plan, {step}}}}}]\n",
    )
    (fault,) = problems("p.yaml")
    assert Path(fault.file).resolve() == Path("deep/er/inner.yaml").resolve()
    os.rename("deep", "other")
    Path("deep").mkdir()
    Path("other").rename("deep/deep")
    (fault,) = problems("p.yaml", cwd="deep")
    assert Path(fault.file).resolve() == Path("deep/deep/er/inner.yaml").resolve()


def test_a_nested_plan_runs_in_the_directory_of_its_step(write: Write) -> None:
    write("p.yaml", runs("a.yaml", "cwd: sub"))
    write("sub/a.yaml", runs("b.yaml"))
    write("sub/b.yaml", "plan_id: b\nsteps: []\n")
    assert told("p.yaml") == ["sub/b.yaml:2:8: steps: a plan needs at least one step"]


@pytest.mark.parametrize(
    "step",
    [
        "path: '${{ inputs.f }}'",
        "path: x.yaml}, cwd: '${{ inputs.f }}', env: {A: b",
        "path: bad.yaml, variables: {NAME: '${{ inputs.f }}'}",
        "path: 3",
        "path: ''",
        "path: bad.yaml, variables: {NAME: 3}",
    ],
)
def test_what_only_a_run_can_tell_is_left_to_it(write: Write, step: str) -> None:
    write("bad.yaml", "plan_id: 3\n")
    write(
        "p.yaml",
        f"plan_id: p\ninputs: {{f: x}}\nsteps: [{{id: s, step_def: {{type: plan, {step}}}}}]\n",
    )
    assert {fault.file for fault in problems("p.yaml")} <= {"p.yaml"}
    assert not any("cannot be read" in text for text in told("p.yaml"))


def test_variables_are_those_of_the_step(write: Write) -> None:
    write("inner.yaml", "plan_id: i\nsteps: [{id: '${NAME}', command: x}]\n")
    write("plan.yaml", runs("inner.yaml"))
    assert "inner.yaml:2:14: steps[0].id: the variable 'NAME' is not given" in told("plan.yaml")[0]
    write("plan.yaml", runs("inner.yaml", fields=", variables: {NAME: a}"))
    assert told("plan.yaml") == []


def test_inputs(write: Write) -> None:
    write("inner.yaml", INNER)
    write("plan.yaml", runs("inner.yaml", fields=", inputs: {regin: eu, size: big}"))
    assert told("plan.yaml") == [
        "plan.yaml:4:54: steps[0].step_def.inputs.region: required, but not given",
        "plan.yaml:4:55: steps[0].step_def.inputs.regin: no such input (did you mean 'region'?); "
        "the plan has region, size",
        "plan.yaml:4:66: steps[0].step_def.inputs.size: expected a number, as its default is, "
        "found 'big'",
    ]
    write("plan.yaml", runs("inner.yaml"))
    assert [fault.message for fault in problems("plan.yaml")] == ["required, but not given"]
    write("plan.yaml", runs("inner.yaml", fields=", inputs: '${{ run }}'"))
    assert told("plan.yaml") == []


def test_inputs_that_cannot_be_read_lack_nothing(write: Write) -> None:
    write("inner.yaml", "plan_id: i\ninputs: [region]\nsteps: [{id: a, run: x}]\n")
    write("plan.yaml", runs("inner.yaml", fields=", inputs: {region: eu}"))
    assert [fault.file for fault in problems("plan.yaml")] == ["inner.yaml"]


def test_a_cycle_of_files(write: Write) -> None:
    write("a.yaml", runs("b.yaml"))
    write("b.yaml", runs("./sub/../c.yaml"))
    write("sub/x", "")
    write("c.yaml", runs("b.yaml"))
    assert told("a.yaml") == [
        "sub/../c.yaml:4:34: steps[0].step_def.path: cycle: b.yaml -> sub/../c.yaml -> b.yaml"
    ]
    write("a.yaml", runs("a.yaml"))
    assert told("a.yaml")[0].endswith("path: cycle: a.yaml -> a.yaml")


@pytest.mark.parametrize(
    "end", ["condition: inputs.go", "skip_if: inputs.go", "foreach: inputs.go"]
)
def test_a_cycle_that_ends(write: Write, end: str) -> None:
    write("a.yaml", runs("b.yaml"))
    write("b.yaml", "inputs: {go: null}\n" + runs("a.yaml", end))
    assert told("a.yaml") == []
    assert told("b.yaml") == []


def test_plans_that_are_nested_too_deep(write: Write) -> None:
    for number in range(MAX_DEPTH + 1):
        write(f"{number}.yaml", runs(f"{number + 1}.yaml"))
    write(f"{MAX_DEPTH + 1}.yaml", "plan_id: i\nsteps: [{id: a, run: x}]\n")
    assert told("1.yaml") == []
    (text,) = told("0.yaml")
    assert text.startswith("16.yaml:4:34: ")
    assert text.endswith("plans are nested more than 16 deep")


def test_a_file_that_many_steps_run_is_read_once(write: Write) -> None:
    for number in range(MAX_DEPTH):
        steps = "".join(
            f"  - {{id: s{i}, step_def: {{type: plan, path: {number + 1}.yaml}}}}\n"
            for i in range(9)
        )
        write(f"{number}.yaml", f"plan_id: p\nsteps:\n{steps}")
    write(f"{MAX_DEPTH}.yaml", "plan_id: i\nsteps: []\n")
    assert told("0.yaml") == ["16.yaml:2:8: steps: a plan needs at least one step"]


def test_pipes_are_not_read(write: Write) -> None:
    os.mkfifo("pipe.yaml")
    write("plan.yaml", runs("pipe.yaml"))
    assert told("plan.yaml") == []


def test_text_and_extensions(write: Write) -> None:
    write("sub/inner.yaml", INNER)
    text = runs("inner.yaml")
    with pytest.raises(
        PlanError, match=r"<plan>:4:15: steps\[0\]\.step_def.inputs.region: required"
    ):
        loads(text, kinds=kinds(), cwd="sub")
    plan = loads("plan_id: p\nglobals: {cwd: sub}\nsteps: [{id: a, run: x}]\n", kinds=kinds()).plan
    step = "{id: s, step_def: {type: plan, path: inner.yaml, inputs: {regin: eu}}}"
    with pytest.raises(PlanError) as caught:
        load_steps(f"[{step}]", plan=plan, kinds=kinds(), name="more.yaml")
    assert [fault.pointer for fault in caught.value.problems] == [
        "/0/step_def/inputs/region",
        "/0/step_def/inputs/regin",
    ]
    steps = load_steps(
        f"[{step.replace('regin', 'region')}]", plan=plan, kinds=kinds(), name="more.yaml"
    )
    assert steps[0].id == "s"
