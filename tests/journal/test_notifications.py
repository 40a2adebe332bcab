"""Inboxes, changes and locks over several engines and processes, on both databases."""

from __future__ import annotations

import asyncio
import os

import msgspec
import pytest

from stoker.journal.base import Circuit, Command, LeaseLost
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal


async def soon(awaitable):
    """Fail rather than hang."""
    return await asyncio.wait_for(awaitable, 20)


def test_a_command_wakes_the_engine_of_its_run_and_no_other(within, location, make):
    async def scenario(journal):
        lease = await make.leased(journal, "r1")
        other = await make.leased(journal, "r2")
        mine, others = asyncio.Event(), asyncio.Event()
        elsewhere = await open_journal(location)
        async with (
            journal.inbox(lease.engine, mine.set),
            journal.inbox(other.engine, others.set),
        ):
            await elsewhere.send(Command(run_id="r1", kind="cancel"))
            await soon(mine.wait())
            assert not others.is_set()
            await elsewhere.send(Command(run_id="r2", kind="cancel"))
            await soon(others.wait())
        # Nobody listens any more: the command waits in its table.
        await elsewhere.send(Command(run_id="r1", kind="pause"))
        await elsewhere.close()
        assert len(await journal.commands("r1")) == 2

    within(scenario)


def test_changes_yield_at_once_and_after_commits_and_see_them(within, location, make):
    async def scenario(journal):
        lease = await make.leased(journal)
        reader = await open_journal(location)
        async with reader.changes() as changes:
            await soon(anext(changes))
            for sequence in range(1, 6):
                await journal.commit(lease, [make.event(sequence, "step.waiting")])
                while not (await reader.events("r1", after=sequence - 1)):
                    await soon(anext(changes))
        await reader.close()

    within(scenario)


def test_a_slow_reader_of_changes_is_told_once(tmp_path, make):
    async def scenario():
        journal = await open_journal(tmp_path / "journal.db")
        lease = await make.leased(journal)
        async with journal.changes() as changes:
            await soon(anext(changes))
            for sequence in range(1, 101):
                await journal.commit(lease, [make.event(sequence, "step.waiting")])
            await soon(anext(changes))
            again = asyncio.ensure_future(anext(changes))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not again.done()
            await journal.commit(lease, [make.event(101, "step.waiting")])
            await soon(again)
        await journal.close()

    asyncio.run(scenario())


# Locks


def test_locks_are_first_come_first_served_over_engines(within, location, make, other_process):
    async def scenario(journal):
        first = await make.leased(journal, "r1")
        second = await make.leased(journal, "r2", other_process[0])
        third = await make.leased(journal, "r3")
        elsewhere = await open_journal(location)
        assert await journal.claim_locks(first, "s", ["db"])
        assert not await elsewhere.claim_locks(second, "s", ["db"])
        assert not await journal.claim_locks(third, "s", ["db"])
        assert await journal.claim_locks(first, "s", ["db"])
        await journal.release_locks(first, "s")
        assert not await journal.claim_locks(third, "s", ["db"])
        assert await elsewhere.claim_locks(second, "s", ["db"])
        await elsewhere.release_locks(second, "s")
        assert await journal.claim_locks(third, "s", ["db"])
        await elsewhere.close()

    within(scenario)


def test_locks_are_all_or_nothing_and_do_not_starve(within, make):
    async def scenario(journal):
        lease = await make.leased(journal)
        assert await journal.claim_locks(lease, "x", ["x"])
        assert not await journal.claim_locks(lease, "both", ["y", "x"])
        # y is free, but `both` stands before this one.
        assert not await journal.claim_locks(lease, "y", ["y"])
        assert await journal.claim_locks(lease, "z", ["z"])
        await journal.release_locks(lease, "x")
        assert await journal.claim_locks(lease, "both", ["x", "y"])
        assert not await journal.claim_locks(lease, "y", ["y"])
        await journal.release_locks(lease, "both")
        assert await journal.claim_locks(lease, "y", ["y"])
        assert await journal.check() == []

    within(scenario)


def test_a_freed_lock_wakes_the_engine_that_waits(within, make):
    async def scenario(journal):
        holder = await make.leased(journal, "r1")
        waiter = await make.leased(journal, "r2")
        woken = asyncio.Event()
        async with journal.inbox(waiter.engine, woken.set):
            assert await journal.claim_locks(holder, "s", ["db"])
            assert not await journal.claim_locks(waiter, "s", ["db"])
            await journal.release_locks(holder, "s")
            await soon(woken.wait())
            assert await journal.claim_locks(waiter, "s", ["db"])
            # Letting the run go lets its locks go.
            woken.clear()
            third = await make.leased(journal, "r3", waiter.engine)
            assert not await journal.claim_locks(third, "s", ["db"])
            await journal.release(waiter)
            await soon(woken.wait())
            assert await journal.claim_locks(third, "s", ["db"])

    within(scenario)


def test_a_circuit_that_closes_wakes_the_engines_that_run(within, location, make):
    async def scenario(journal):
        lease = await make.leased(journal)
        elsewhere = await open_journal(location)
        woken = asyncio.Event()
        async with journal.inbox(lease.engine, woken.set):
            assert await elsewhere.put_circuit(Circuit(tool="t", state="closed"))
            await soon(woken.wait())
        await elsewhere.close()

    within(scenario)


def test_the_death_of_the_holder_wakes_who_waits(within, make, other_process):
    identity, process = other_process

    async def scenario(journal):
        holder = await make.leased(journal, "r1", identity)
        waiter = await make.leased(journal, "r2")
        woken = asyncio.Event()
        async with journal.inbox(waiter.engine, woken.set):
            assert await journal.claim_locks(holder, "s", ["db", "other"])
            assert not await journal.claim_locks(waiter, "s", ["db"])
            process.kill()
            await soon(woken.wait())
            assert await journal.claim_locks(waiter, "s", ["db"])

    within(scenario)


def test_claims_of_the_dead_and_of_ended_leases_do_not_count(within, make, dead_engine):
    elsewhere = msgspec.structs.replace(current_engine(), host="another boot/1")

    async def scenario(journal):
        dead = await make.leased(journal, "r1", dead_engine)
        away = await make.leased(journal, "r2", elsewhere)
        mine = await make.leased(journal, "r3")
        assert await journal.claim_locks(dead, "s", ["db"])
        assert await journal.claim_locks(away, "s", ["db"])
        assert not await journal.claim_locks(mine, "s", ["db"])
        async with journal.transaction() as session:
            await session.fetch("UPDATE runs SET lease_expires_at = 1 WHERE run_id = 'r2'")
        assert await journal.claim_locks(mine, "s", ["db"])
        again = await journal.acquire("r1", current_engine())
        with pytest.raises(LeaseLost):
            await journal.claim_locks(dead, "s", ["db"])
        assert not await journal.claim_locks(again, "s", ["db"])
        # An old lease frees nothing of the new one's.
        await journal.release_locks(dead, "s")
        await journal.release_locks(mine, "s")
        assert await journal.claim_locks(again, "s", ["db"])

    within(scenario)


def test_the_lease_of_a_holder_elsewhere_is_waited_for(within, make):
    elsewhere = msgspec.structs.replace(current_engine(), host="another boot/1", pid=os.getpid())

    async def scenario(journal):
        holder = await make.leased(journal, "r1", elsewhere)
        waiter = await make.leased(journal, "r2")
        woken = asyncio.Event()
        assert await journal.claim_locks(holder, "s", ["db"])
        (now,) = (await journal._fetch("SELECT lease_expires_at - 30 FROM runs LIMIT 1"))[0]
        async with journal.transaction() as session:
            await session.fetch(
                "UPDATE runs SET lease_expires_at = ?1 WHERE run_id = 'r1'", now + 0.5
            )
        async with journal.inbox(waiter.engine, woken.set):
            if not await journal.claim_locks(waiter, "s", ["db"]):
                await soon(woken.wait())
            assert await journal.claim_locks(waiter, "s", ["db"])

    within(scenario)
