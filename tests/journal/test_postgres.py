"""A PostgreSQL journal whose connections die, told by a relay that cuts them on demand."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from stoker.journal import postgres_connection
from stoker.journal.base import Circuit, Command, JournalError
from stoker.journal.open import open_journal
from stoker.journal.sql import SqlJournal


class Relay:
    """Stands between the journal and the server's socket."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self._writers: list[asyncio.StreamWriter] = []
        self.cut_replies = False
        """Swallow the next reply and end its connection."""
        self.cut_requests = False
        """Swallow the next request and end its connection."""

    async def serve(self, reader, writer) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._server_socket)
        self._writers += [writer, server_writer]
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pass(reader, server_writer, "cut_requests", writer))
            both.create_task(self._pass(server_reader, writer, "cut_replies", server_writer))

    async def _pass(self, reader, writer, cut, other) -> None:
        try:
            while data := await reader.read(65536):
                if getattr(self, cut):
                    setattr(self, cut, False)
                    break
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()
        other.close()

    def cut_all(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
def relayed(postgres_url):
    """Context manager: a relay, a journal that goes through it, and one that does not."""

    @asynccontextmanager
    async def enter():
        parameters = parse_qs(urlsplit(postgres_url).query)
        folder = Path(tempfile.mkdtemp(prefix="stoker-relay-", dir="/tmp"))
        relay = Relay(f"{parameters['host'][0]}/.s.PGSQL.5432")
        server = await asyncio.start_unix_server(relay.serve, folder / ".s.PGSQL.5432")
        journal = await open_journal(
            f"postgresql://stoker@/postgres?host={folder}&search_path={parameters['search_path'][0]}"
        )
        direct = await open_journal(postgres_url)
        try:
            yield relay, journal, direct, server
        finally:
            await journal.close()
            await direct.close()
            relay.cut_all()
            server.close()
            shutil.rmtree(folder)

    return enter


@pytest.mark.parametrize("cut", ["cut_replies", "cut_requests"])
@pytest.mark.parametrize("count", [0, 2])
def test_a_commit_whose_connection_dies_happens_once(relayed, make, cut, count):
    async def main():
        async with relayed() as (relay, journal, _, _):
            lease = await make.leased(journal)
            await journal.commit(lease, [make.event(1, "run.started")])
            number = await journal.send(Command(run_id="r1", kind="pause"))
            events = [make.attempt(n, "starting", f"s{n}") for n in range(2, 2 + count)]
            setattr(relay, cut, True)
            await journal.commit(lease, events, applied=[number])
            assert not getattr(relay, cut)
            assert (await journal.events("r1", after=1)) == events
            assert await journal.commands("r1") == []
            assert await journal.check() == []

    asyncio.run(main())


def test_a_read_whose_connection_dies_is_repeated(relayed, make):
    async def main():
        async with relayed() as (relay, journal, _, _):
            await make.leased(journal)
            relay.cut_replies = True
            assert (await journal.run("r1")).status == "pending"
            assert not relay.cut_replies

    asyncio.run(main())


def test_another_transaction_whose_connection_dies_says_so(relayed, make):
    async def main():
        async with relayed() as (relay, journal, _, _):
            await make.leased(journal)
            relay.cut_replies = True
            with pytest.raises(JournalError, match="connection lost"):
                await journal.send(Command(run_id="r1", kind="pause"))
            assert await journal.send(Command(run_id="r1", kind="pause"))

    asyncio.run(main())


@pytest.mark.parametrize("cut", ["cut_replies", "cut_requests"])
def test_what_can_be_done_twice_survives_a_dying_connection(relayed, make, cut):
    async def main():
        async with relayed() as (relay, journal, _, _):
            lease = await make.leased(journal)

            async def cut_off(call):
                setattr(relay, cut, True)
                result = await call
                assert not getattr(relay, cut)
                return result

            assert await cut_off(journal.claim_locks(lease, "s", ["db"]))
            assert await cut_off(journal.blocked_steps(lease)) == set()
            await cut_off(journal.release_locks(lease, "s"))
            assert await cut_off(journal.renew([lease])) == []
            assert await cut_off(journal.put_circuit(Circuit(tool="make", failures=1)))
            assert not await cut_off(journal.put_circuit(Circuit(tool="make", failures=2)))
            assert (await cut_off(journal.circuit("make"))).failures == 1
            assert await cut_off(journal.commands("r1")) == []

    asyncio.run(main())


def test_a_circuit_written_just_before_its_connection_died_counts_as_written(
    relayed, make, monkeypatch
):
    async def main():
        async with relayed() as (_, journal, _, _):
            write, tries = SqlJournal.put_circuit, iter([True, False])

            async def and_then_die(self, circuit):
                written = await write(self, circuit)
                if next(tries):
                    raise postgres_connection.ConnectionLost("connection lost")
                return written

            monkeypatch.setattr(SqlJournal, "put_circuit", and_then_die)
            assert await journal.put_circuit(Circuit(tool="make", failures=1, opened_at=1e9 / 3))
            assert (await journal.circuit("make")).version == 1

    asyncio.run(main())


def test_a_server_that_stays_away_is_an_error_and_its_return_is_enough(relayed, make, monkeypatch):
    monkeypatch.setattr(postgres_connection, "_RECONNECT_DELAYS", (0.01,))

    async def main():
        async with relayed() as (relay, journal, _, server):
            lease = await make.leased(journal)
            place = server.sockets[0].getsockname()
            server.close()
            relay.cut_all()
            with pytest.raises(JournalError, match="postgresql:///postgres: "):
                await journal.commit(lease, [make.event(1, "run.started")])
            Path(place).unlink(missing_ok=True)
            again = await asyncio.start_unix_server(relay.serve, place)
            await journal.commit(lease, [make.event(1, "run.started")])
            assert (await journal.run("r1")).last_sequence == 1
            relay.cut_all()
            again.close()

    asyncio.run(main())


def test_a_listener_whose_connection_dies_comes_back_and_wakes(relayed, make, monkeypatch):
    monkeypatch.setattr(postgres_connection, "_RECONNECT_DELAYS", (0.01,))

    async def main():
        async with relayed() as (relay, journal, direct, _):
            lease = await make.leased(direct)
            woken = asyncio.Event()
            async with journal.inbox(lease.engine, woken.set), journal.changes() as changes:
                await anext(changes)
                relay.cut_all()
                # Both say that something may have been missed, then hear again.
                await asyncio.wait_for(woken.wait(), 20)
                await asyncio.wait_for(anext(changes), 20)
                woken.clear()
                await direct.send(Command(run_id="r1", kind="pause"))
                await asyncio.wait_for(woken.wait(), 20)
                await direct.commit(lease, [make.event(1, "run.paused")])
                await asyncio.wait_for(anext(changes), 20)

    asyncio.run(main())


def test_a_commit_held_up_by_a_dying_one_is_not_written_twice(relayed, make):
    """The first attempt's backend still runs, waiting for a row, when the second begins."""

    async def main():
        async with relayed() as (relay, journal, direct, _):
            lease = await make.leased(journal)
            async with direct.transaction() as session:
                await session.fetch_locked("SELECT 1 FROM runs WHERE run_id = 'r1'")
                committing = asyncio.create_task(
                    journal.commit(lease, [make.event(1, "run.started")])
                )
                # Who waits for a lock can only be asked for.
                waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
                while (await session.fetch(waiting))[0][0] < 1:
                    await asyncio.sleep(0.005)
                relay.cut_all()
                while (await session.fetch(waiting))[0][0] < 2:
                    await asyncio.sleep(0.005)
            await asyncio.wait_for(committing, 20)
            assert [event.sequence for event in await journal.events("r1")] == [1]
            assert await journal.check() == []

    asyncio.run(main())


def test_names_beyond_what_postgres_can_hold_are_refused_plainly(postgres_url, make):
    async def main():
        journal = await open_journal(postgres_url)
        with pytest.raises(JournalError, match=r"postgresql:///postgres: .*0x00"):
            await journal.create_run(make.run("nul\0"))
        assert await journal.runs() == []
        await journal.close()

    asyncio.run(main())
