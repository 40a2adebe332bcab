"""Plans whose steps are tasks."""

import json
import subprocess

from stoker.engine.options import RunOptions
from stoker.plan import loader
from stoker.steps.registry import kinds


def git(directory, *args):
    done = subprocess.run(
        ["git", "-C", directory, *args], check=True, capture_output=True, text=True
    )
    return done.stdout


def run_plan(world, document):
    """The state of the plan's run at its end, and the tasks there are then."""

    async def scenario(tasks):
        engine = tasks.engine
        plan = loader.loads(json.dumps(document), kinds=kinds()).plan
        handle = await engine.start(plan, options=RunOptions(cwd=str(world.repository)))
        await handle.wait()
        return handle.state, await tasks.catalog.attempts()

    return world.run(scenario)


def task(id_, *script, **more):
    step = {"type": "task", "title": json.dumps(script), "agent": "SCRIPTED"}
    extra = {key: more.pop(key) for key in ("description", "merge") if key in more}
    return {"id": id_, "step_def": {**step, **extra}, **more}


def test_research_fans_out_and_its_results_come_together(world):
    plan = {
        "plan_id": "fan",
        "steps": [
            {
                "id": "look",
                "foreach": ["red", "blue"],
                "step_def": {
                    "type": "task",
                    "title": '[{"say": "found ${' + '{ item }}"}]',
                    "agent": "SCRIPTED",
                },
            },
            {
                "id": "judge",
                "depends_on": ["look"],
                "step_def": {
                    "type": "task",
                    "title": "Choose one of",
                    "description": "Of these: ${{ prev.look.outputs.summary }}",
                    "agent": "SCRIPTED",
                },
            },
            task(
                "build", {"edit": "b.txt", "content": "built\n"}, merge=True, depends_on=["judge"]
            ),
        ],
    }
    state, attempts = run_plan(world, plan)
    assert state.status == "succeeded", state.reason
    assert len({one.branch for one in attempts}) == 4
    asked = state["judge"].outputs["summary"]
    assert "Choose one of" in asked
    assert '["found red","found blue"]' in asked
    assert (world.repository / "b.txt").read_text() == "built\n"
    assert state["build"].outputs["commit"] == git(world.repository, "rev-parse", "main").strip()


def test_a_task_that_fails_fails_its_step_and_is_tried_again_at_another_attempt(world):
    plan = {
        "plan_id": "p",
        "steps": [
            task("t", {"fail": "tired"}, retries=1, retry={"delay_sec": 0}),
        ],
    }
    state, attempts = run_plan(world, plan)
    assert state["t"].status == "failed"
    assert "tired" in state["t"].reason
    assert len(attempts) == 2
    assert len({one.task_id for one in attempts}) == 1


def test_a_secret_does_not_become_part_of_a_task(world):
    plan = {
        "plan_id": "p",
        "inputs": {"key": {"secret": True, "default": "hunter2secret"}},
        "steps": [task("t", {"say": "x"}, description="use ${{ inputs.key }}")],
    }
    state, attempts = run_plan(world, plan)
    assert "secret" in state["t"].reason
    assert attempts == []


def test_canceling_the_plan_stops_the_agent(world):
    async def scenario(tasks):
        engine = tasks.engine
        document = {"plan_id": "p", "steps": [task("t", {"say": "now"}, {"run": "sleep 300"})]}
        plan = loader.loads(json.dumps(document), kinds=kinds()).plan
        handle = await engine.start(plan, options=RunOptions(cwd=str(world.repository)))
        async for change in tasks.feed.follow():
            attempts = [one for one in change if one.subject == "attempts"]
            if attempts and (found := await tasks.catalog.attempts()):
                break
        await tasks.progress.begun(found[0], "agent-1")
        await handle.cancel("enough")
        await handle.wait()
        return await tasks.progress.state(found[0])

    state = world.run(scenario)
    assert state["agent-1"].status == "canceled"
