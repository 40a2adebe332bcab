"""`stoker run --watch`, and which files matter to it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from stoker.cli.watch import Wanted
from stoker.plan.model import Globals, Plan, Step


def test_runs_again_when_files_change(project, until) -> None:
    plan = project.plan({"id": "a", "run": "cat word; echo more >> written"})
    (project.directory / "word").write_text("one")
    process = project.start("run", plan, "--watch", "-v")
    until(process, "waiting for files to change")
    (project.directory / "word").write_text("two")
    until(process, "a succeeded")
    until(process, "waiting for files to change")
    (project.directory / plan).write_text("{")
    assert "plan.json:1:" in until(process, "waiting for files to change")
    project.plan({"id": "b", "run": "true"})
    until(process, "b succeeded")
    until(process, "waiting for files to change")
    (project.directory / "new/dir").mkdir(parents=True)
    (project.directory / "new/dir/file").write_text("")
    until(process, "b succeeded")
    until(process, "waiting for files to change")
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert len((project.directory / "written").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("plan.yaml", True),
        ("src/app/main.c", True),
        ("src/app/main.o", False),
        ("docs/deep/page.md", True),
        ("README", False),
        ("docs.txt", False),
    ],
)
def test_inputs_files_say_what_matters(tmp_path: Path, path: str, matters: bool) -> None:
    plan = Plan(
        plan_id="p",
        globals=Globals(cwd="src"),
        steps=(
            Step(
                id="a",
                run="x",
                inputs_files=("**/*.c", "app/main.o"),
                outputs_files=("app/main.o",),
            ),
            Step(id="b", run="x", inputs_files=("../docs", "app/main.o")),
        ),
    )
    wanted = Wanted(tmp_path / "plan.yaml", tmp_path, plan)
    assert wanted.any([tmp_path / path]) is matters
    assert wanted.any([tmp_path / "other", tmp_path / path]) is matters


def test_templates_in_inputs_files_are_filled_in_as_far_as_is_known(tmp_path: Path) -> None:
    plan = Plan(
        plan_id="p",
        globals=Globals(cwd="${{ inputs.source }}"),
        steps=(
            Step(id="a", run="x", inputs_files=("${{ inputs.name }}.c", "${{ inputs.more }}")),
            Step(id="b", run="x", cwd="sub", inputs_files=("${{ run.plan_dir }}/tool.py", "deep")),
            Step(id="c", run="x", foreach=["x", "y"], inputs_files=("${{ item }}.txt",)),
            Step(
                id="d",
                run="x",
                foreach="prev.a.outputs.list",
                inputs_files=("${{ item }}.csv", "${{ prev.a.outputs.f }}", "${{ run.id }}", "k"),
                outputs_files=("${{ item }}.out", "x.txt"),
            ),
        ),
    )
    inputs = {"source": "src", "name": "main", "more": ["m1", "m2"]}
    names = {"inputs": inputs, "run": {"plan_dir": "/plans"}}
    wanted = Wanted(tmp_path / "plan.yaml", tmp_path, plan, names)
    src = tmp_path / "src"
    assert set(wanted.patterns) == {
        "/plans/tool.py",
        *(str(src / name) for name in ("main.c", "m1", "m2", "sub/deep", "y.txt", "k")),
    }
    unknown = ("${{ item }}.csv", "${{ prev.a.outputs.f }}", "${{ run.id }}")
    assert wanted.unknown == unknown


def test_watching_knows_the_inputs_and_keeps_the_secret_ones(project, until) -> None:
    plan = project.plan(
        {"id": "a", "run": "cat *.txt", "inputs_files": ["${{ inputs.name }}.txt"]},
        {"id": "b", "run": "true", "inputs_files": ["${{ prev.a.outputs.made }}"]},
        inputs={"name": {"required": True}, "key": {"secret": True, "required": True}},
    )
    (project.directory / "word.txt").write_text("one")
    project.environment["STOKER_INPUT_KEY"] = "hidden-from-all"
    process = project.start("run", plan, "--watch", "--input", "name=word")
    begun = until(process, "waiting for files to change")
    assert "not watched, as it is known only in a run: ${{ prev.a.outputs.made }}" in begun
    (project.directory / "other.txt").write_text("not watched")
    (project.directory / "word.txt").write_text("two")
    again = until(process, "waiting for files to change")
    assert "a succeeded" in again
    assert "not watched" not in again
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
