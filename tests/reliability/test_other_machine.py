"""A run that goes on where nothing of its processes can be seen: on another machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import asyncpg
import pytest
from victim import wait_for

from stoker.api import build
from stoker.engine.attempt import realm
from stoker.engine.commands import CommandRefused
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.base import LeaseLost
from stoker.journal.identity import this_host
from stoker.journal.open import open_journal
from stoker.process.survivors import look, marked
from stoker.steps.registry import kinds

RUN = "moves"
_FORGE = "engine = jsonb_set(engine::jsonb, '{host}', '\"elsewhere\"')::text"


@asynccontextmanager
async def opened(url):
    journal = await open_journal(url)
    try:
        yield journal
    finally:
        await journal.close()


def lines(path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def killed(postgres_url, tmp_path):
    """`killed(plan, up)`: a run whose engine was killed once `up()` was true, and whose lease
    says that this was on another machine, long ago; what it kept lives on."""
    here = tmp_path / "there"
    here.mkdir()

    def run(plan, up) -> None:
        (here / "plan.json").write_text(json.dumps(plan))
        engine = subprocess.Popen(
            [sys.executable, "-m", "stoker", "run", "plan.json", "--run-id", RUN, "-q"],
            cwd=here,
            env={**os.environ, "STOKER_DB": postgres_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_for(lambda: up() or engine.poll() is not None)
        engine.kill()
        said, _ = engine.communicate()
        assert engine.returncode == -signal.SIGKILL, said
        asyncio.run(forge(f"UPDATE runs SET {_FORGE}, lease_expires_at = 1"))

    async def forge(sql: str) -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute(sql)
        await connection.close()

    run.directory = here
    run.forge = forge
    yield run
    for survivor in marked(realm(here / ".stoker")):
        os.kill(survivor.pid, signal.SIGKILL)


def test_what_was_kept_on_another_machine_is_lost_and_goes_by_its_policy(
    killed, postgres_url, tmp_path
):
    here = killed.directory
    unseen = "echo >> {0}; test $(wc -l < {0}) -gt 1 || exec sleep 300"
    (here / "inner.json").write_text(
        json.dumps({"plan_id": "inner", "steps": [{"id": "in", "run": unseen.format("inner")}]})
    )
    steps = [
        {"id": "kept", "run": unseen.format("kept"), "on_interrupt": "adopt"},
        {"id": "once", "run": unseen.format("once"), "on_interrupt": "adopt", "effects": "once"},
        {"id": "nested", "step_def": {"type": "plan", "path": "inner.json"}},
    ]
    names = ("kept", "once", "inner")
    plan = {"plan_id": "p", "globals": {"max_concurrency": 3}, "steps": steps}
    killed(plan, lambda: all(lines(here / name) for name in names))

    async def main():
        # The nested run's lease was taken later, and ends later.
        later = "extract(epoch FROM clock_timestamp()) + 0.5"
        await killed.forge(f"UPDATE runs SET lease_expires_at = {later} WHERE run_id <> '{RUN}'")
        async with (
            opened(postgres_url) as journal,
            Engine(journal, tmp_path / "state", kinds()) as engine,
        ):
            outcome = await asyncio.wait_for((await engine.resume(RUN)).wait(), 60)
            assert outcome.status == "quarantined"
            statuses = {}
            for row in await journal.attempts(RUN):
                statuses.setdefault(row.step_id, []).append(row.status)
            assert await journal.check() == []
        assert statuses == {
            "kept": ["lost", "succeeded"],
            "once": ["lost"],
            "nested": ["succeeded"],
        }
        assert {name: lines(here / name) for name in names} == {"kept": 2, "once": 1, "inner": 2}

    asyncio.run(main())


@pytest.mark.parametrize("moved", [True, False])
def test_an_engine_whose_run_has_moved_ends_also_what_it_kept(postgres_url, tmp_path, moved):
    async def main():
        async with (
            opened(postgres_url) as journal,
            Engine(journal, tmp_path / "state", kinds()) as engine,
        ):
            handle = await engine.start(
                build("p", steps=[{"id": "a", "run": "exec sleep 300", "on_interrupt": "adopt"}]),
                options=RunOptions(cwd=str(tmp_path)),
            )
            async for event in handle.events():
                if event.type == "attempt.running":
                    keeper = event.data["pid"]
                    break
            host = "elsewhere" if moved else this_host()
            connection = await asyncpg.connect(postgres_url)
            await connection.execute(
                f"UPDATE runs SET lease_epoch = lease_epoch + 1, {_FORGE}".replace(
                    "elsewhere", host
                )
            )
            await connection.close()
            with pytest.raises(CommandRefused, match="ended before"):
                await asyncio.wait_for(handle.pause(), 60)
            with pytest.raises(LeaseLost):
                await asyncio.wait_for(handle.wait(), 60)
            # The one that goes on here looks after it; one elsewhere cannot.
            assert (look(keeper) is None) == moved

    try:
        asyncio.run(main())
    finally:
        for survivor in marked(realm(tmp_path / "state")):
            os.kill(survivor.pid, signal.SIGKILL)
