"""Runs that are given new steps, wherever they stand."""

import json

import msgspec
import pytest

from stoker.engine.options import RunOptions
from stoker.engine.view import read_run
from stoker.plan.errors import PlanError
from stoker.plan.model import Plan


def plan_of(*steps, **more):
    return msgspec.convert({"plan_id": "p", "steps": list(steps), **more}, Plan)


def more(*steps):
    return json.dumps({"steps": list(steps)})


def start(engine, plan, tmp_path, **options):
    return engine.start(plan, run_id="r", options=RunOptions(cwd=str(tmp_path), **options))


def test_a_run_that_succeeded_goes_on_with_new_steps(drive, tmp_path, state):
    async def scenario(engine, journal):
        first = await start(
            engine,
            plan_of({"id": "a", "run": "echo said=a > $STOKER_OUTPUT", "provides": ["said"]}),
            tmp_path,
        )
        assert (await first.wait()).status == "succeeded"
        again = await engine.extend(
            "r", more({"id": "b", "run": "echo $STOKER_INPUT_SAID", "consumes": ["said"]}), by="ann"
        )
        assert (await again.wait()).status == "succeeded"
        assert [row.step_id for row in await journal.attempts("r")] == ["a", "b"]
        assert (state / "runs/r/logs/b.1.out").read_text() == "a\n"
        types = [event.type for event in await journal.events("r")]
        assert types.count("run.settled") == 2
        place = types.index("run.reopened")
        assert types[place : place + 3] == ["run.reopened", "run.started", "run.extended"]
        assert (await journal.run("r")).status == "succeeded"
        assert await journal.check() == []
        assert {
            step.step.id: step.status for step in (await read_run(journal, "r")).state.steps
        } == {
            "a": "succeeded",
            "b": "succeeded",
        }

    drive(scenario)


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_what_ended_a_run_does_not_end_what_comes_after_it(drive, tmp_path, end):
    async def scenario(engine, journal):
        body = "exit 3" if end == "fail" else "sleep 300"
        first = await start(
            engine,
            plan_of(
                {"id": "a", "run": body}, {"id": "later", "command": "true", "depends_on": ["a"]}
            ),
            tmp_path,
        )
        if end == "cancel":
            async for event in first.events():
                if event.type == "attempt.starting":
                    break
            await first.cancel("enough")
        assert (await first.wait()).status == ("failed" if end == "fail" else "canceled")
        again = await engine.extend("r", more({"id": "b", "command": "true"}))
        await again.wait()
        statuses = {step.step.id: step.status for step in again.state.steps}
        assert statuses["b"] == "succeeded"
        assert statuses["later"] in ("skipped", "canceled")
        assert len(await journal.attempts("r")) == 2

    drive(scenario)


def test_a_run_under_way_is_extended_as_it_runs(drive, tmp_path):
    async def scenario(engine, journal):
        first = await start(
            engine, plan_of({"id": "a", "run": "while [ ! -e go ]; do sleep 0.01; done"}), tmp_path
        )
        again = await engine.extend("r", more({"id": "b", "run": "touch go"}))
        assert again is first
        assert (await first.wait()).status == "succeeded"
        assert "run.reopened" not in {event.type for event in await journal.events("r")}

    drive(scenario)


def test_steps_that_are_wrong_leave_a_run_that_is_over_as_it_is(drive, tmp_path):
    async def scenario(engine, journal):
        await (await start(engine, plan_of({"id": "a", "command": "true"}), tmp_path)).wait()
        before = await journal.events("r")
        with pytest.raises(PlanError, match="'a'"):
            await engine.extend("r", more({"id": "a", "command": "true"}))
        assert await journal.events("r") == before
        assert (await journal.run("r")).status == "succeeded"
        assert (await journal.run("r")).engine is None

    drive(scenario)


def test_the_limit_on_a_runs_duration_counts_anew(drive, tmp_path):
    plan = plan_of({"id": "a", "command": "true"}, globals={"max_run_duration_sec": 0.5})

    async def scenario(engine, journal):
        await (await start(engine, plan, tmp_path)).wait()
        opened = (await journal.run("r")).started_at
        # As if the run had begun long ago.
        journal._db.execute("UPDATE run_events SET time = time - 1000")
        again = await engine.extend("r", more({"id": "b", "command": "true"}))
        assert (await again.wait()).status == "succeeded"
        assert (await journal.run("r")).started_at == opened

    drive(scenario)


def test_a_reopened_run_that_is_suspended_goes_on_with_its_new_steps(drive, tmp_path):
    async def first(engine, journal):
        await (await start(engine, plan_of({"id": "a", "command": "true"}), tmp_path)).wait()
        again = await engine.extend(
            "r", more({"id": "b", "run": "until [ -e go ]; do sleep 0.01; done"})
        )
        async for event in again.events():
            if event.type == "attempt.starting" and event.step == "b":
                break

    async def second(engine, journal):
        assert (await journal.run("r")).status == "running"
        (tmp_path / "go").touch()
        assert (await (await engine.resume("r")).wait()).status == "succeeded"
        assert await journal.check() == []

    drive(first)
    drive(second)


def test_new_steps_are_durable_once_they_are_taken(drive, tmp_path):
    async def scenario(engine, journal):
        first = await start(engine, plan_of({"id": "a", "run": "true"}), tmp_path)
        assert (await first.wait()).status == "succeeded"
        again = await engine.extend("r", more({"id": "b", "run": "true"}))
        again.run.suspend()  # before anything else is done, as when the engine is closed at once
        types = [event.type for event in await journal.events("r")]
        assert "run.extended" in types

    drive(scenario)
