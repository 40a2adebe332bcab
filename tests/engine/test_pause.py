"""A pause outlives the engine: a resume starts nothing before a person says so."""

import asyncio

from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.open import open_journal
from stoker.plan.model import Plan, Step
from stoker.steps.registry import kinds


def test_a_resumed_run_stays_paused_until_it_is_unpaused(tmp_path):
    plan = Plan(
        plan_id="p",
        steps=(
            Step(id="a", command="true", approval=True),
            Step(id="b", command="true", depends_on=("a",)),
        ),
    )

    async def main():
        journal = await open_journal(tmp_path / "j.db")
        async with Engine(journal, tmp_path, kinds()) as engine:
            run = await engine.start(plan, options=RunOptions(cwd=str(tmp_path)), park=False)
            await run.pause()
            await run.approve("a")
        async with Engine(journal, tmp_path, kinds()) as engine:
            resumed = await engine.resume(run.run_id)
            assert (await resumed.wait()).status == "waiting"
            assert resumed.state["a"].status != "succeeded"
            assert (await journal.run(run.run_id)).status == "paused"
            again = await engine.resume(run.run_id, park=False)
            await again.unpause()
            assert (await again.wait()).status == "succeeded"
        await journal.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_run_parks_with_its_nested_run_and_not_at_the_next_renewal(tmp_path, monkeypatch):
    """The nested run may be parked before anybody listens."""
    monkeypatch.setattr("stoker.engine.engine.LEASE_SECONDS", 9000)
    monkeypatch.setattr("stoker.engine.engine._FENCE_SEC", 9000)
    (tmp_path / "n.json").write_text(
        '{"plan_id": "n", "steps": [{"id": "a", "step_def": {"type": "approval"}}]}'
    )
    nested = Step(id="n", step_def={"type": "plan", "path": "n.json"})

    async def main():
        journal = await open_journal(tmp_path / "j.db")
        async with Engine(journal, tmp_path, kinds()) as engine:
            options = RunOptions(cwd=str(tmp_path))
            run = await engine.start(Plan(plan_id="p", steps=(nested,)), options=options)
            assert (await run.wait()).status == "waiting"
        await journal.close()

    asyncio.run(asyncio.wait_for(main(), 60))
