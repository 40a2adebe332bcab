"""What a review found: locks that outlive their engine, queues, odd text, silent peers."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest

from stoker.journal.base import Command
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal
from stoker.process.spec import MARKER, SEPARATOR

ONE = uuid.uuid4().hex
"""A run whose steps' processes no other test process takes for its own."""


@pytest.fixture
def at_work():
    """`at_work(run_id, step_id)`: a process such as a step's attempt has."""
    processes = []

    def start(run_id: str, step_id: str) -> subprocess.Popen[bytes]:
        own = f"0123456789ab/{run_id}/{step_id}/1"
        marker = {MARKER: f"ba9876543210/around/it/1{SEPARATOR}{own}"}
        processes.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=marker))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


async def started(journal, make, run_id, engine=None):
    """A leased run whose step `s` has an attempt under way and holds the lock `prod`."""
    lease = await make.leased(journal, run_id, engine)
    event = make.event(1, "attempt.starting", run_id=run_id, step="s", attempt=1)
    await journal.commit(lease, [event])
    assert await journal.claim_locks(lease, "s", ["prod"])
    return lease


@pytest.mark.parametrize("how", ["released", "killed"])
def test_a_lock_is_held_while_processes_of_its_step_live(within, make, at_work, dead_engine, how):
    async def scenario(journal):
        process = at_work(ONE, "s")
        lease = await started(journal, make, ONE, dead_engine if how == "killed" else None)
        waiter = await make.leased(journal, "r2")
        woken = asyncio.Event()
        async with journal.inbox(waiter.engine, woken.set):
            assert not await journal.claim_locks(waiter, "t", ["prod"])
            if how == "released":
                await journal.release(lease)
                await asyncio.wait_for(woken.wait(), 20)
                woken.clear()
            assert not await journal.claim_locks(waiter, "t", ["prod"])
            assert await journal.blocked_steps(waiter) == {"t"}
            assert not woken.is_set()
            end(process)
            await asyncio.wait_for(woken.wait(), 20)
            assert await journal.blocked_steps(waiter) == set()
            assert await journal.claim_locks(waiter, "t", ["prod"])

    within(scenario)


def test_the_run_that_goes_on_has_the_locks_of_its_steps_at_work(within, make, at_work):
    async def scenario(journal):
        process = at_work(ONE, "s")
        first = await started(journal, make, ONE)
        assert await journal.claim_locks(first, "queued", ["other"])
        waiter = await make.leased(journal, "r2")
        assert not await journal.claim_locks(waiter, "t", ["prod"])
        await journal.release(first)
        assert await journal.claim_locks(waiter, "u", ["other"])
        second = await journal.acquire(ONE, current_engine())
        assert not await journal.claim_locks(waiter, "t", ["prod"])
        assert await journal.claim_locks(second, "s", ["prod"])
        await journal.release(second)
        end(process)
        # What nobody was at work for is not taken over: another may hold it by now.
        third = await journal.acquire(ONE, current_engine())
        assert not await journal.claim_locks(third, "s", ["prod"])
        assert await journal.claim_locks(waiter, "t", ["prod"])

    within(scenario)


def test_an_attempt_that_ended_holds_nothing_for_its_stragglers(within, make, at_work):
    async def scenario(journal):
        at_work(ONE, "s")
        lease = await started(journal, make, ONE)
        data = {"status": "failed"}
        settled = make.event(2, "attempt.settled", run_id=ONE, step="s", attempt=1, data=data)
        await journal.commit(lease, [settled])
        waiter = await make.leased(journal, "r2")
        assert not await journal.claim_locks(waiter, "t", ["prod"])
        await journal.release(lease)
        assert await journal.claim_locks(waiter, "t", ["prod"])

    within(scenario)


def test_the_steps_that_stand_behind_others_are_known_at_once(within, make, other_process):
    async def scenario(journal):
        mine = await make.leased(journal, "r1")
        other = await make.leased(journal, "r2", other_process[0])
        assert await journal.claim_locks(other, "s", ["y"])
        assert await journal.claim_locks(mine, "a", ["x"])
        assert not await journal.claim_locks(mine, "b", ["x", "z"])
        assert not await journal.claim_locks(mine, "c", ["y"])
        assert not await journal.claim_locks(mine, "d", ["z"])
        assert await journal.blocked_steps(mine) == {"b", "c", "d"}
        await journal.release_locks(mine, "a")
        assert await journal.blocked_steps(mine) == {"c", "d"}
        end(other_process[1])
        assert await journal.blocked_steps(mine) == {"d"}

    within(scenario)


def test_text_that_no_database_can_hold_is_kept_as_near_as_can_be(within, make):
    odd = "/tmp/\udcff"

    async def scenario(journal):
        await journal.create_run(make.run(inputs={"x": [odd]}, options={"cwd": odd}))
        lease = await journal.acquire("r1", current_engine())
        await journal.commit(
            lease,
            [
                make.attempt(1, "starting", stdout_path=odd, tool=odd),
                make.attempt(2, "settled", status="failed", error=odd, more={odd: (odd, 1, None)}),
            ],
        )
        await journal.send(Command(run_id="r1", kind="approve", payload={"by": odd}, by=odd))
        assert await journal.claim_locks(lease, "s", [odd])
        assert await journal.claim_locks(lease, "s", [odd])
        kept = "/tmp/\\udcff"
        run = await journal.run("r1")
        assert (run.inputs, run.options) == ({"x": [kept]}, {"cwd": kept})
        (attempt,) = await journal.attempts("r1")
        assert (attempt.error, attempt.stdout_path) == (kept, kept)
        assert (await journal.events("r1"))[1].data["more"] == {kept: [kept, 1, None]}
        (command,) = await journal.commands("r1")
        assert (command.by, command.payload) == (kept, {"by": kept})
        assert await journal.check() == []

    within(scenario)


def test_connections_notice_a_peer_that_vanished(postgres_url):
    parts = parse_qs(urlsplit(postgres_url).query)
    path = f"{parts['host'][0]}/.s.PGSQL.5432"

    async def copy(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def relay(reader, writer):
        server_reader, server_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, server_writer), copy(server_reader, writer))

    async def main():
        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        journal = await open_journal(
            f"postgresql://stoker@127.0.0.1:{port}/postgres?search_path={parts['search_path'][0]}"
        )
        link = (await journal._connections._connect())._transport.get_extra_info("socket")
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, every, count = (
            link.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + every * count < 30
        await journal.close()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize("local", [True, False])
def test_an_engine_that_cannot_renew_stops_before_others_take_over(tmp_path, monkeypatch, local):
    from stoker.api import Engine, build
    from stoker.engine import leases as module
    from stoker.journal.base import JournalError
    from stoker.steps.registry import kinds

    monkeypatch.setattr(module, "LEASE_SECONDS", 0.06)
    monkeypatch.setattr(module, "_FENCE_SEC", 0.05)

    async def main():
        journal = await open_journal(tmp_path / "journal.db")
        journal.local = local
        refused = asyncio.Semaphore(0)

        async def renew(leases):
            refused.release()
            raise JournalError("the server is away")

        journal.renew = renew
        async with Engine(journal, tmp_path / "state", kinds()) as engine:
            steps = [{"id": "s", "run": f"exec 3<>{tmp_path}/fifo; read x <&3"}]
            subprocess.run(["mkfifo", tmp_path / "fifo"], check=True)
            handle = await engine.start(build("p", steps=steps))
            if local:
                for _ in range(8):
                    await asyncio.wait_for(refused.acquire(), 20)
                assert engine.handle(handle.run_id) is not None
                handle.run.suspend()
                assert (await asyncio.wait_for(handle.wait(), 20)).status == "suspended"
            else:
                with pytest.raises(JournalError, match="could not be renewed in time"):
                    await asyncio.wait_for(handle.wait(), 20)
        await journal.close()

    asyncio.run(main())


def test_waiting_steps_are_looked_at_together_not_one_by_one(tmp_path):
    from stoker.api import Engine, build
    from stoker.steps.registry import kinds

    async def main():
        journal = await open_journal(tmp_path / "journal.db")
        claim, claims = journal.claim_locks, []

        async def counted(lease, step_id, names):
            claims.append(step_id)
            return await claim(lease, step_id, names)

        journal.claim_locks = counted
        steps = [{"id": f"s{n}", "command": "true", "locks": ["L"]} for n in range(30)]
        async with Engine(journal, tmp_path / "state", kinds()) as engine:
            handle = await engine.start(build("p", steps=steps))
            assert (await asyncio.wait_for(handle.wait(), 60)).status == "succeeded"
        await journal.close()
        # Once to queue, once when it is its turn.
        assert len(claims) <= 2 * len(steps)

    asyncio.run(main())
