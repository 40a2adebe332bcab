"""A PostgreSQL server that stops answering without a word: what is bounded, and by what."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from stoker.api import build
from stoker.engine import leases as leases_module
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal import postgres_connection
from stoker.journal.base import JournalError, NewRun
from stoker.journal.events import Event
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal
from stoker.process.survivors import look
from stoker.steps.registry import kinds


@contextmanager
def stopped(*pids: int):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def server_pids(url: str) -> list[int]:
    """The server's first process, which accepts connections, and all that serve them."""
    (folder,) = parse_qs(urlsplit(url).query)["host"]
    first = int(Path(folder, "data/postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, children)]


async def leased(journal):
    await journal.create_run(
        NewRun(
            run_id="r",
            plan_id="p",
            plan_version="1",
            plan_description="",
            plan_json=b'{"plan_id":"p"}',
        )
    )
    return await journal.acquire("r", current_engine())


def test_a_connection_that_fell_silent_is_given_up_and_the_work_done_by_another(
    postgres_url, monkeypatch
):
    monkeypatch.setattr(postgres_connection, "_STATEMENT_SEC", 1.0)

    async def main():
        journal = await open_journal(postgres_url)
        lease = await leased(journal)
        event = Event("r", 1, "run.started", 1e9)
        silenced = []
        for call, expected in (
            (lambda: journal.commit(lease, [event]), None),
            (lambda: journal.renew([lease]), []),
            (lambda: journal.claim_locks(lease, "s", ["db"]), True),
            (lambda: journal.commands("r"), []),
        ):
            ((pid,),) = await journal._fetch("SELECT pg_backend_pid()")
            assert pid not in silenced
            silenced.append(pid)
            with stopped(pid):
                assert await asyncio.wait_for(call(), 60) == expected
        assert await journal.events("r") == [event]
        assert await journal.check() == []
        await journal.close()

    asyncio.run(main())


def test_a_run_stuck_in_a_commit_ends_its_processes_when_its_lease_runs_out(
    postgres_url, tmp_path, monkeypatch
):
    monkeypatch.setattr(leases_module, "_RELEASE_SEC", 0.1)
    monkeypatch.setattr(postgres_connection, "_CLOSE_SEC", 0.1)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    plan = build(
        "p",
        steps=[
            {"id": "ends", "run": f"exec 3<>{gate}; read line <&3"},
            {"id": "goes-on", "run": "exec sleep 300"},
        ],
    )

    async def main():
        journal = await open_journal(postgres_url)
        commit, committing = journal.commit, asyncio.Event()
        async with Engine(journal, tmp_path / "state", kinds()) as engine:
            handle = await engine.start(
                plan, options=RunOptions(cwd=str(tmp_path), max_concurrency=2)
            )
            pids = {}
            async for event in handle.events():
                if event.type == "attempt.running":
                    pids[event.step] = event.data["pid"]
                if len(pids) == 2:
                    break

            async def observed(*args, **more):
                committing.set()
                await commit(*args, **more)

            journal.commit = observed
            with stopped(*server_pids(postgres_url)):
                gate.write_text("\n")
                await asyncio.wait_for(committing.wait(), 60)
                assert look(pids["goes-on"]) is not None
                # The bound that `_renew` sets, without waiting for it.
                handle.run.fence(leases_module.unrenewed(handle.run_id, journal))
                with pytest.raises(JournalError, match="could not be renewed in time"):
                    await asyncio.wait_for(handle.wait(), 60)
                assert look(pids["goes-on"]) is None
                await journal.close()  # without the server's goodbye

    asyncio.run(main())


def test_a_renewal_that_is_not_answered_is_bounded(postgres_url, tmp_path, monkeypatch):
    monkeypatch.setattr(leases_module, "_RELEASE_SEC", 0.1)
    monkeypatch.setattr(postgres_connection, "_CLOSE_SEC", 0.1)

    async def main():
        journal = await open_journal(postgres_url)
        async with Engine(journal, tmp_path / "state", kinds()) as engine:
            handle = await engine.start(
                build("p", steps=[{"id": "a", "run": "exec sleep 300"}]),
                options=RunOptions(cwd=str(tmp_path)),
            )
            with stopped(*server_pids(postgres_url)):
                engine._renewal.cancel()
                await asyncio.wait([engine._renewal])
                monkeypatch.setattr(leases_module, "LEASE_SECONDS", 0.06)
                monkeypatch.setattr(leases_module, "_FENCE_SEC", 0.05)
                engine._renewal = engine._tasks.create_task(engine._leases.keep())
                with pytest.raises(JournalError, match="could not be renewed in time"):
                    await asyncio.wait_for(handle.wait(), 60)
                await journal.close()

    asyncio.run(main())


def test_what_the_driver_complains_of_is_not_printed():
    script = (
        "import stoker.journal.postgres_connection, logging;"
        "logging.getLogger('asyncpg.pool').error('Failed to restore the pool')"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")


def test_what_an_engine_that_vanished_had_locked_is_free_again(postgres_url, monkeypatch):
    monkeypatch.setitem(
        postgres_connection._SERVER_KEEPALIVE, "idle_in_transaction_session_timeout", "200"
    )

    async def main():
        journal, other = await open_journal(postgres_url), await open_journal(postgres_url)
        lease = await leased(journal)
        with pytest.raises(JournalError, match="connection lost"):
            async with other.transaction() as session:
                await session.lock_claims()
                # It says no more, as if its machine had lost power.
                assert await asyncio.wait_for(journal.claim_locks(lease, "s", ["db"]), 60)
                await session.now()
        assert await other.commands("r") == []
        await journal.close()
        await other.close()

    asyncio.run(main())
