"""What every journal promises, on both databases: runs, leases, commits and reading."""

from __future__ import annotations

import math

import msgspec
import pytest

from stoker.journal.base import (
    Circuit,
    Command,
    JournalError,
    LeaseLost,
    RunBusy,
    RunExists,
    UnknownRun,
)
from stoker.journal.identity import current_engine

# Runs


def test_a_run_is_stored_as_given(within, make):
    new = make.run(
        inputs={"branch": "main"},
        options={"width": 2},
        plan_json='{"plan_id":"p", "é":[1]}'.encode(),
        parent_run_id="r0",
        parent_step_id="nested",
    )

    async def scenario(journal):
        await journal.create_run(new)
        run = await journal.run("r1")
        assert (run.plan_id, run.plan_version, run.status) == ("p", "1", "pending")
        assert (run.inputs, run.options) == ({"branch": "main"}, {"width": 2})
        assert (run.parent_run_id, run.parent_step_id) == ("r0", "nested")
        assert (run.last_sequence, run.engine, run.started_at) == (0, None, None)
        assert await journal.plan_json("r1") == new.plan_json

    within(scenario)


def test_a_run_id_is_used_once_and_unknown_ones_are_named(within, make):
    async def scenario(journal):
        await journal.create_run(make.run())
        with pytest.raises(RunExists, match="r1"):
            await journal.create_run(make.run())
        for asked in (
            journal.run("nope"),
            journal.plan_json("nope"),
            journal.acquire("nope", current_engine()),
            journal.send(Command(run_id="nope", kind="cancel")),
            journal.delete_run("nope"),
        ):
            with pytest.raises(UnknownRun, match="nope"):
                await asked
        assert await journal.events("nope") == []
        assert await journal.attempts("nope") == []

    within(scenario)


def test_runs_are_listed_newest_first_and_filtered(within, make):
    async def scenario(journal):
        for run_id, plan_id in (("a", "p"), ("b", "q"), ("c", "p")):
            await journal.create_run(make.run(run_id, plan_id=plan_id))
        lease = await journal.acquire("a", current_engine())
        await journal.commit(lease, [make.event(1, "run.started", run_id="a")])

        async def ids(**query):
            return [run.run_id for run in await journal.runs(**query)]

        assert await ids() == ["c", "b", "a"]
        assert await ids(limit=2) == ["c", "b"]
        assert await ids(plan_id="p") == ["c", "a"]
        assert await ids(status=["running", "paused"]) == ["a"]
        assert await ids(status=["pending"], plan_id="p", limit=1) == ["c"]
        assert await ids(status=[]) == []
        (last,) = await journal.runs(limit=1)
        assert await ids(before=(last.created_at, last.run_id)) == ["b", "a"]
        assert await ids(before=(last.created_at, last.run_id), plan_id="p") == ["a"]

    within(scenario)


def test_a_plan_run_often_is_kept_once_and_as_long_as_it_is_needed(within, make):
    async def scenario(journal):
        async def plans():
            return (await journal._fetch("SELECT COUNT(*) FROM plans"))[0][0]

        over = [make.event(1, "run.settled", data={"status": "succeeded"})]
        for run_id in ("r1", "r2"):
            lease = await make.leased(journal, run_id)
            await journal.commit(lease, [msgspec.structs.replace(over[0], run_id=run_id)])
            await journal.release(lease)
        assert await plans() == 1
        await journal.create_run(make.run("r3", plan_json=b"{}"))
        assert await plans() == 2
        await journal.delete_run("r1")
        assert await plans() == 2
        await journal.delete_run("r2")
        assert await plans() == 1

    within(scenario)


def test_only_a_run_that_is_over_and_let_go_is_deleted_and_then_leaves_nothing(within, make):
    async def scenario(journal):
        lease = await make.leased(journal)
        with pytest.raises(RunBusy, match="pending"):
            await journal.delete_run("r1")
        await journal.send(Command(run_id="r1", kind="pause"))
        assert await journal.claim_locks(lease, "s", ["x"])
        await journal.commit(
            lease,
            [
                make.attempt(1, "starting"),
                make.event(2, "run.settled", data={"status": "failed", "reason": "step s failed"}),
            ],
        )
        with pytest.raises(RunBusy, match=str(lease.engine.pid)):
            await journal.delete_run("r1")
        await journal.release(lease)
        await journal.delete_run("r1")
        assert await journal.runs() == []
        assert await journal.events("r1") == await journal.attempts("r1") == []
        assert await journal.check() == []

    within(scenario)


# Leases


def test_a_live_engine_keeps_its_run(within, make, other_process):
    other, process = other_process

    async def scenario(journal):
        await make.leased(journal, engine=other)
        with pytest.raises(RunBusy, match=str(process.pid)):
            await journal.acquire("r1", current_engine())
        assert (await journal.run("r1")).engine == other

    within(scenario)


def test_a_dead_engine_loses_its_run_at_once_and_can_no_longer_write(within, make, dead_engine):
    async def scenario(journal):
        old = await make.leased(journal, engine=dead_engine)
        me = current_engine()
        lease = await journal.acquire("r1", me)
        assert lease.epoch > old.epoch
        assert (await journal.run("r1")).engine == me
        with pytest.raises(LeaseLost):
            await journal.commit(old, [make.event(1, "run.started")])
        assert await journal.renew([old, lease]) == [old]
        assert await journal.events("r1") == []

    within(scenario)


def test_an_engine_on_another_host_is_waited_for_until_its_lease_ends(within, make):
    elsewhere = msgspec.structs.replace(current_engine(), host="another boot/1")

    async def scenario(journal):
        lease = await make.leased(journal, engine=elsewhere)
        with pytest.raises(RunBusy, match="another host"):
            await journal.acquire("r1", current_engine())
        async with journal.transaction() as session:
            await session.fetch("UPDATE runs SET lease_expires_at = 1")
        assert await journal.renew([lease]) == []
        with pytest.raises(RunBusy):
            await journal.acquire("r1", current_engine())
        async with journal.transaction() as session:
            await session.fetch("UPDATE runs SET lease_expires_at = 1")
        await journal.acquire("r1", current_engine())

    within(scenario)


def test_a_released_run_is_free_and_its_old_lease_is_worth_nothing(within, make):
    async def scenario(journal):
        lease = await make.leased(journal)
        await journal.release(lease)
        assert (await journal.run("r1")).engine is None
        with pytest.raises(LeaseLost):
            await journal.commit(lease, [make.event(1, "run.started")])
        again = await journal.acquire("r1", current_engine())
        await journal.release(lease)
        assert (await journal.run("r1")).engine == again.engine

    within(scenario)


# Commits


def test_events_come_back_as_they_were_committed(within, make):
    events = [
        make.event(1, "run.created", data={"text": "é\0\ud7ff\U0001f600", "deep": [{"a": None}]}),
        make.event(2, "step.waiting", step="s", data={"n": 2**70, "x": 1e-300}),
        make.attempt(3, "starting", kind="command"),
    ]

    async def scenario(journal):
        lease = await make.leased(journal)
        await journal.commit(lease, events[:1])
        await journal.commit(lease, events[1:], barrier=True)
        assert await journal.events("r1") == events
        assert await journal.events("r1", after=1, limit=1) == events[1:2]
        assert await journal.events("r1", after=3) == []
        assert (await journal.run("r1")).last_sequence == 3

    within(scenario)


@pytest.mark.parametrize("sequences", [[2], [1, 3], [1, 1], [0], [2, 1]])
def test_a_gap_is_refused_whole_and_the_next_commit_works(within, make, sequences):
    async def scenario(journal):
        lease = await make.leased(journal)
        with pytest.raises(JournalError, match=r"expected|does not follow"):
            await journal.commit(lease, [make.event(n, "run.started") for n in sequences])
        assert await journal.events("r1") == []
        assert (await journal.run("r1")).status == "pending"
        await journal.commit(lease, [make.event(1, "run.started")])
        with pytest.raises(JournalError, match="does not follow the last one, 1"):
            await journal.commit(lease, [make.event(1, "run.paused")])
        assert (await journal.run("r1")).status == "running"

    within(scenario)


def test_an_event_of_another_run_or_beyond_json_is_refused(within, make):
    async def scenario(journal):
        lease = await make.leased(journal)
        with pytest.raises(JournalError, match="r2/1"):
            await journal.commit(lease, [make.event(1, "run.started", run_id="r2")])
        with pytest.raises(JournalError, match=r"r1/1 \(run.created\) cannot be kept"):
            await journal.commit(lease, [make.event(1, "run.created", data={"x": object()})])
        await journal.commit(lease, [make.event(1, "run.created", data={"x": math.pi})])
        assert await journal.check() == []

    within(scenario)


def test_attempts_are_projected_over_commits(within, make):
    async def scenario(journal):
        lease = await make.leased(journal)
        await journal.commit(
            lease,
            [
                make.attempt(
                    1,
                    "starting",
                    kind="command",
                    tool="make",
                    timeout_sec=5,
                    retries_attempted=0,
                    on_failure="continue",
                    provides=["image"],
                    consumes=["source"],
                    stdout_path="/logs/1.out",
                    stderr_path="/logs/1.err",
                ),
                make.attempt(2, "starting", "t"),
            ],
        )
        s, t = await journal.attempts("r1")
        assert (s.status, s.kind, s.timeout_sec, s.on_failure) == (
            *("starting", "command", 5.0),
            "continue",
        )
        assert (s.provides, s.consumes, s.started_at) == (["image"], ["source"], 1e9 + 1)
        assert (s.stdout_path, s.stderr_path) == ("/logs/1.out", "/logs/1.err")
        assert (t.kind, t.on_failure, t.provides, t.stdout_path) == ("", "abort", [], None)
        await journal.commit(lease, [make.attempt(3, "running", pid=42)])
        await journal.commit(
            lease,
            [
                make.attempt(4, "running", "t", pid=43),
                make.attempt(5, "settled", status="failed", exit_code=3, error="no\0 such file"),
                make.attempt(6, "settled", "t", status="succeeded", exit_code=0),
                make.attempt(7, "starting", attempt=2),
            ],
        )
        s1, t, s2 = await journal.attempts("r1")
        assert (s1.status, s1.pid, s1.exit_code) == ("failed", 42, 3)
        assert (s1.error, s1.finished_at) == ("no\ufffd such file", 1e9 + 5)
        assert (t.status, t.pid, t.exit_code) == ("succeeded", 43, 0)
        assert (s2.attempt, s2.status, s2.retries_attempted) == (2, "starting", 1)
        assert await journal.attempts("r1", "s") == [s1, s2]
        # A crash may make an attempt start over.
        await journal.commit(lease, [make.attempt(8, "starting"), make.attempt(9, "running")])
        over = (await journal.attempts("r1", "s"))[0]
        assert (over.attempt, over.status, over.exit_code, over.pid) == (2, "starting", None, None)
        over = next(row for row in await journal.attempts("r1", "s") if row.attempt == 1)
        assert (over.status, over.exit_code, over.finished_at) == ("running", None, None)
        assert await journal.check() == []

    within(scenario)


def test_the_run_is_projected(within, make):
    async def scenario(journal):
        lease = await make.leased(journal)

        async def after(sequence, type, **data):
            await journal.commit(lease, [make.event(sequence, type, data=data)])
            run = await journal.run("r1")
            return run.status, run.reason, run.started_at, run.finished_at

        start = 1e9 + 1
        assert await after(1, "run.started") == ("running", None, start, None)
        assert await after(2, "run.paused") == ("paused", None, start, None)
        assert await after(3, "run.unpaused") == ("running", None, start, None)
        settled = await after(4, "run.settled", status="quarantined", reason="lost s")
        assert settled == ("quarantined", "lost s", start, 1e9 + 4)
        assert await after(5, "run.started", resumed=True) == ("running", None, start, None)
        assert (await after(6, "run.settled", status="succeeded"))[3] == 1e9 + 6
        assert await journal.check() == []

    within(scenario)


def test_durations_are_means_over_recent_runs_of_the_plan(within, make):
    async def scenario(journal):
        for run_id, seconds in (("r1", 2), ("r2", 4)):
            lease = await make.leased(journal, run_id)
            events = [
                make.attempt(1, "starting"),
                make.attempt(2, "settled", status="succeeded"),
                make.attempt(3, "starting", "bad"),
                make.attempt(4, "settled", "bad", status="failed"),
            ]
            events = [msgspec.structs.replace(event, run_id=run_id) for event in events]
            events[1] = msgspec.structs.replace(events[1], time=events[0].time + seconds)
            await journal.commit(lease, events)
            await journal.release(lease)
        assert await journal.durations("p") == {"s": 3.0}
        assert await journal.durations("other") == {}

    within(scenario)


# Commands and circuits


def test_commands_wait_in_order_until_they_are_applied(within, make):
    async def scenario(journal):
        lease = await make.leased(journal)
        ids = [
            await journal.send(Command(run_id="r1", kind="pause", by="ann", payload={"x": [1]})),
            await journal.send(Command(run_id="r1", kind="cancel")),
            await journal.send(Command(run_id="r1", kind="next")),
        ]
        waiting = await journal.commands("r1")
        assert [command.id for command in waiting] == ids
        first = waiting[0]
        assert (first.kind, first.by, first.payload) == ("pause", "ann", {"x": [1]})
        assert first.created_at > 0
        await journal.commit(lease, [make.event(1, "run.paused")], applied=[ids[0]])
        await journal.commit(lease, [], applied=[ids[2]])
        assert [command.id for command in await journal.commands("r1")] == [ids[1]]
        await journal.release(lease)
        with pytest.raises(LeaseLost):
            await journal.commit(lease, [], applied=[ids[1]])
        assert [command.id for command in await journal.commands("r1")] == [ids[1]]

    within(scenario)


def test_a_circuit_changes_by_compare_and_set(within):
    async def scenario(journal):
        assert await journal.circuit("curl") == Circuit(tool="curl")
        opened = Circuit(tool="curl", state="open", failures=5, opened_at=12.5)
        assert await journal.put_circuit(opened)
        assert not await journal.put_circuit(opened)
        stored = await journal.circuit("curl")
        assert stored == msgspec.structs.replace(opened, version=1)
        probing = msgspec.structs.replace(stored, state="half_open", probe="r1/s")
        assert await journal.put_circuit(probing)
        assert not await journal.put_circuit(stored)
        assert (await journal.circuit("curl")).probe == "r1/s"

    within(scenario)


# Soundness


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("DELETE FROM run_events WHERE sequence = 2", "2 events up to sequence 3, 3 were"),
        ("DELETE FROM run_events WHERE sequence = 3", "2 events up to sequence 2, 3 were"),
        ("UPDATE step_attempts SET exit_code = 9", "step s attempt 1 is not what its events"),
        ("DELETE FROM step_attempts", "step s attempt 1"),
        ("UPDATE runs SET status = 'succeeded'", "run r1 is succeeded, which is not"),
        ("DELETE FROM lock_claims; DELETE FROM runs", "run_events: 3 rows of runs that do not"),
        ("UPDATE run_events SET data = '[1]'", "cannot be folded"),
    ],
)
def test_check_names_what_is_wrong(within, make, damage, named):
    async def scenario(journal):
        lease = await make.leased(journal)
        await journal.commit(
            lease,
            [
                make.event(1, "run.started"),
                make.attempt(2, "starting"),
                make.attempt(3, "settled", status="succeeded", exit_code=0),
            ],
        )
        assert await journal.check() == []
        async with journal.transaction() as session:
            for statement in damage.split("; "):
                await session.fetch(statement)
        assert named in "\n".join(await journal.check())

    within(scenario)
