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
