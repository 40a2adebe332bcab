"""Stoker from Python."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import stoker


def _plan(*steps: stoker.Step, **fields: object) -> stoker.Plan:
    return stoker.build("demo", steps=steps, **fields)


def test_a_script_runs_a_plan(tmp_path: Path) -> None:
    plan = _plan(
        stoker.Step(
            id="make",
            run='echo "word=${WORD}" > "$STOKER_OUTPUT"',
            provides=("word",),
            env={"WORD": "${{ inputs.word }}"},
        ),
        stoker.Step(
            id="bad", run="exit 4", depends_on=("make",), critical=False, on_failure="continue"
        ),
        inputs={"word": "none"},
    )
    seen: list[str] = []
    result = stoker.run(
        plan, {"word": "hi"}, db=tmp_path / "j.db", on_event=lambda event: seen.append(event.type)
    )
    assert result.succeeded
    assert result.outputs == {"word": "hi"}
    bad = result.steps["bad"]
    assert (bad.status, bad.exit_code, bad.attempts) == ("failed", 4, 1)
    assert seen[0] == "run.created"
    assert seen[-1] == "run.settled"
    assert (tmp_path / "runs" / result.run_id / "logs").is_dir()
    with pytest.raises(stoker.RunExists):
        stoker.run(plan, db=tmp_path / "j.db", run_id=result.run_id)


def test_a_program_follows_extends_and_cancels(tmp_path: Path) -> None:
    async def main() -> stoker.RunResult:
        async with stoker.open_engine(tmp_path / "j.db", max_concurrency=4) as engine:
            run = await engine.run(
                _plan(stoker.Step(id="long", run="sleep 600"), stoker.Step(id="a", run="true"))
            )
            async for event in run.events():
                if event.type == "step.settled" and event.step == "a":
                    await run.extend('[{"id": "added", "run": "true", "depends_on": ["a"]}]')
                    with pytest.raises(stoker.PlanError, match="unknown step"):
                        await run.extend('[{"id": "x", "run": "true", "depends_on": ["y"]}]')
                if event.type == "step.settled" and event.step == "added":
                    await run.cancel("enough")
            result = await stoker.finish(run)
            with pytest.raises(stoker.CommandRefused):
                await run.cancel()
            return result

    result = asyncio.run(main())
    assert (result.status, result.reason) == ("canceled", "enough")
    assert {name: step.status for name, step in result.steps.items()} == {
        "long": "canceled",
        "a": "succeeded",
        "added": "succeeded",
    }


def test_leaving_the_engine_suspends_and_another_one_goes_on(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    plan = _plan(stoker.Step(id="a", run=f"test ! -e {gate} || sleep 600"))

    async def begin() -> str:
        async with stoker.open_engine(tmp_path / "j.db") as engine:
            run = await engine.start(plan)
            async for event in run.events():
                if event.type == "attempt.starting":
                    break
        assert (await run.wait()).status == "suspended"
        return run.run_id

    async def go_on(run_id: str) -> stoker.RunResult:
        async with stoker.open_engine(tmp_path / "j.db") as engine:
            return await stoker.finish(await engine.resume(run_id))

    run_id = asyncio.run(begin())
    gate.unlink()
    assert asyncio.run(go_on(run_id)).succeeded


def test_plans_are_loaded_and_checked_whole(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("plan_id: p\nsteps: [{id: a, run: 'echo ${X}', cwd: '${X}'}]\n")
    assert stoker.load(file, variables={"X": "x"}).steps[0].cwd == "x"
    with pytest.raises(stoker.PlanError, match=r"plan\.yaml:2:.*'X' is not given"):
        stoker.load(file)
    assert stoker.loads('{"plan_id": "q", "steps": [{"id": "a", "run": "x"}]}').plan_id == "q"
    with pytest.raises(stoker.PlanError) as caught:
        stoker.build(
            "p",
            steps=[{"id": "a", "runn": "x"}, stoker.Step(id="b", run="x", depends_on=("c",))],
            globals=stoker.Globals(max_concurrency=0),
        )
    assert len(caught.value.problems) >= 3
    with pytest.raises(stoker.PlanError):
        stoker.run(stoker.Plan(plan_id="p", steps=()), db=tmp_path / "j.db")
    assert not (tmp_path / "j.db").exists()


def test_import_costs_nothing_until_a_name_is_used() -> None:
    code = (
        "import sys; before = set(sys.modules); import stoker; dir(stoker); "
        "print(*(set(sys.modules) - before)); "
        "[getattr(stoker, name) for name in stoker.__all__]; print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, modules = done.stdout.splitlines()
    assert set(first.split()) <= {"stoker", "__future__"}
    expensive = {"rich", "httpx", "yaml", "difflib", "ctypes", "importlib.metadata", "asyncpg"}
    assert expensive & set(modules.split()) == set()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = stoker.nonsense
