"""`run.plan_dir`: the directory of the plan file, wherever the run is started and goes on."""

import asyncio
import json
import os
from pathlib import Path

import pytest

import stoker
from stoker.api import open_engine
from stoker.engine.options import RunOptions

WRITES = {"id": "says", "run": 'echo "at=$AT" > "$STOKER_OUTPUT"', "provides": ["at"]}


def write(path: Path, *steps: dict, **fields) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"plan_id": "p", **fields, "steps": list(steps)}))
    return path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The directory runs are started in."""
    (tmp_path / "cwd/.stoker").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "cwd"


def test_is_the_directory_of_the_file(tmp_path):
    plan = write(tmp_path / "plans/a/p.json", {**WRITES, "env": {"AT": "${{ run.plan_dir }}"}})
    outputs = stoker.run(os.path.relpath(plan)).outputs
    assert outputs == {"at": str(tmp_path / "plans/a")}


def test_holds_in_globals_and_conditions(tmp_path):
    plan = write(
        tmp_path / "plans/p.json",
        {**WRITES, "condition": f"run.plan_dir == '{tmp_path}/plans'"},
        globals={"cwd": "${{ run.plan_dir }}", "env": {"AT": "${{ run.plan_dir }}"}},
    )
    result = stoker.run(plan)
    assert result.steps["says"].status == "succeeded"
    assert result.outputs == {"at": f"{tmp_path}/plans"}


def test_is_the_working_directory_of_a_plan_without_a_file(tmp_path):
    plan = stoker.build("p", steps=[{**WRITES, "env": {"AT": "${{ run.plan_dir }}"}}])
    assert stoker.run(plan).outputs == {"at": f"{tmp_path}/cwd"}
    assert stoker.run(plan, cwd=tmp_path).outputs == {"at": str(tmp_path)}


def test_of_a_nested_plan_is_its_own(tmp_path):
    write(tmp_path / "plans/sub/n.json", {**WRITES, "env": {"AT": "${{ run.plan_dir }}"}})
    nested = {"type": "plan", "path": "${{ run.plan_dir }}/sub/n.json"}
    outer = write(tmp_path / "plans/p.json", {"id": "n", "step_def": nested, "provides": ["at"]})
    assert stoker.run(outer).outputs == {"at": f"{tmp_path}/plans/sub"}


def test_is_kept_for_a_resume(tmp_path, monkeypatch):
    plan = stoker.build(
        "p",
        steps=[
            {"id": "ask", "step_def": {"type": "approval"}},
            {**WRITES, "env": {"AT": "${{ run.plan_dir }}"}, "depends_on": ["ask"]},
        ],
    )

    async def main():
        async with open_engine() as engine:
            options = RunOptions(cwd=str(tmp_path), plan_dir="/plans")
            run = await engine.start(plan, options=options)
            await run.wait()
            run_id = run.run_id
        monkeypatch.chdir(tmp_path)
        async with open_engine(tmp_path / "cwd/.stoker/journal.db") as engine:
            run = await engine.resume(run_id, park=False)
            await run.approve("ask")
            await run.wait()
            return run.state["says"].outputs

    assert asyncio.run(main()) == {"at": "/plans"}


def test_other_names_of_a_run_are_errors():
    with pytest.raises(stoker.PlanError, match=r"a run has no 'plan_path'.*known: id, plan_dir"):
        stoker.build("p", steps=[{"id": "a", "run": "echo ${{ run.plan_path }}"}])
