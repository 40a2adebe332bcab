"""Asking a run of an engine that is at work, at the level of the journal."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from stoker.engine.ask import ask
from stoker.engine.commands import CommandRefused
from stoker.engine.creation import new_run
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.base import UnknownRun
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal
from stoker.plan.inputs import resolve
from stoker.plan.loader import loads
from stoker.steps.registry import kinds

WAITS = '{"plan_id": "p", "steps": [{"id": "ok", "step_def": {"type": "approval"}}]}'


@asynccontextmanager
async def at_work(path):
    """A run that waits for a person in a live engine, and another's journal."""
    journal, other = await open_journal(path / "j.db"), await open_journal(path / "j.db")
    async with Engine(journal, path, kinds()) as engine:
        plan = loads(WAITS, kinds=kinds()).plan
        handle = await engine.start(plan, run_id=uuid4().hex, park=False)
        async for event in handle.events():
            if event.type == "approval.requested":
                break
        yield handle, other
    await other.close()
    await journal.close()


def test_a_live_engine_refuses_and_obeys(tmp_path):
    async def main():
        async with at_work(tmp_path) as (handle, journal):
            row = await journal.run(handle.run_id)
            with pytest.raises(CommandRefused, match="no step 'nope'"):
                await ask(journal, row, "approve", {"step": "nope"}, by="me")
            asked = await ask(journal, row, "approve", {"step": "ok"}, by="me")
            types = [event.type for event in asked.events]
            assert "approval.decided" in types
            assert (await handle.wait()).status == "succeeded"
            with pytest.raises(CommandRefused, match="ended before"):
                await ask(journal, row, "pause", {}, by="me")
            with pytest.raises(UnknownRun):
                await ask(journal, replace(row, run_id="gone"), "pause", {}, by="me")

    asyncio.run(main())


def test_the_death_of_an_engine_is_noticed(tmp_path):
    """An engine that takes no command any more, and then dies: the asker is told."""

    async def main():
        journal = await open_journal(tmp_path / "j.db")
        plan = loads(WAITS, kinds=kinds()).plan
        created = new_run(plan, resolve(plan, {}), RunOptions(cwd="/"), run_id=uuid4().hex)
        await journal.create_run(created)
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as engine:
            started = int(Path(f"/proc/{engine.pid}/stat").read_text().split()[21])
            dying = replace(current_engine(), pid=engine.pid, pid_started=started)
            await journal.acquire(created.run_id, dying)
            row = await journal.run(created.run_id)
            asking = asyncio.ensure_future(ask(journal, row, "pause", {}, by="me"))
            while not await journal.commands(created.run_id):
                await asyncio.sleep(0)
            assert not asking.done()
            engine.stdin.close()
            asked = await asking
        assert asked.events is None
        assert [command.id for command in await journal.commands(created.run_id)] == [asked.number]
        await journal.close()

    asyncio.run(main())
