"""Runs of the same name in different projects leave each other alone."""

import asyncio
import os

from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.open import open_journal
from stoker.plan.model import Plan, Step
from stoker.steps.registry import kinds


def test_a_run_ends_only_its_own_projects_processes(tmp_path):
    """Both projects call their run `nightly`; when one is over, it clears up what its steps
    left behind, and only that."""
    waits = Plan(plan_id="p", steps=(Step(id="s", run="cat gate"),))
    quick = Plan(plan_id="p", steps=(Step(id="s", command="true"),))

    async def main():
        one, two = tmp_path / "one", tmp_path / "two"
        journals = [await open_journal(place / "j.db") for place in (one, two)]
        async with (
            Engine(journals[0], one, kinds()) as first,
            Engine(journals[1], two, kinds()) as second,
        ):
            options = RunOptions(cwd=str(tmp_path))
            waiting = await first.start(waits, options=options, run_id="nightly")
            async for event in waiting.events():
                if event.type == "attempt.running":
                    break
            done = await second.start(quick, options=options, run_id="nightly")
            assert (await done.wait()).status == "succeeded"
            with await asyncio.to_thread(open, tmp_path / "gate", "w") as gate:
                gate.write("go\n")
            assert (await waiting.wait()).status == "succeeded"
        for journal in journals:
            await journal.close()

    os.mkfifo(tmp_path / "gate")
    asyncio.run(asyncio.wait_for(main(), 60))
