"""Folding events: in one go, in batches, and into real tables, the result is the same."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stoker.journal.events import Event
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal
from stoker.journal.projection import ATTEMPT_COLUMNS, project

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_pids = st.one_of(st.none(), st.integers(1, 2**22))
_STARTING = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["command", "http"]),
        "tool": _texts,
        "timeout_sec": st.one_of(st.none(), st.floats(0.1, 1e6)),
        "retries_attempted": st.integers(0, 9),
        "on_failure": st.sampled_from(["abort", "continue"]),
        "provides": st.lists(_texts, max_size=2),
        "stdout_path": st.just("/logs/out"),
    },
)
_SETTLED = st.fixed_dictionaries(
    {"status": st.sampled_from(["succeeded", "failed", "timed_out", "lost"])},
    optional={"exit_code": st.integers(-1, 2**32), "error": st.one_of(st.none(), _texts)},
)
_RUN_SETTLED = st.fixed_dictionaries(
    {"status": st.sampled_from(["succeeded", "failed", "quarantined"])},
    optional={"reason": st.one_of(st.none(), _texts)},
)
_ATTEMPTS = st.tuples(st.sampled_from("ab"), st.integers(1, 2))
_kinds = st.one_of(
    st.tuples(st.just("attempt.starting"), _ATTEMPTS, _STARTING),
    st.tuples(
        st.just("attempt.running"), _ATTEMPTS, st.fixed_dictionaries({}, optional={"pid": _pids})
    ),
    st.tuples(st.just("attempt.settled"), _ATTEMPTS, _SETTLED),
    st.tuples(
        st.sampled_from(["run.started", "run.paused", "run.unpaused", "step.waiting"]),
        st.none(),
        st.just({}),
    ),
    st.tuples(st.just("run.settled"), st.none(), _RUN_SETTLED),
)


@st.composite
def histories(draw) -> list[list[Event]]:
    """A run's events, cut into batches."""
    batches: list[list[Event]] = [[]]
    for number, (kind, attempt, data) in enumerate(draw(st.lists(_kinds, max_size=25)), 1):
        step, count = attempt or (None, None)
        batches[-1].append(Event("r", number, kind, 1e9 + number / 8, step, count, data))
        if draw(st.booleans()):
            batches.append([])
    return [batch for batch in batches if batch]


def by_hand(events: list[Event]) -> tuple[list, dict]:
    """The meaning of the events, one at a time."""
    run = ["pending", None, None, None]
    attempts: dict = {}
    for event in events:
        row = attempts.get((event.run_id, event.step, event.attempt))
        match event.type:
            case "attempt.starting":
                row = dict.fromkeys(ATTEMPT_COLUMNS)
                row |= {"kind": "", "on_failure": "abort", "provides": [], "consumes": []}
                row |= {"retries_attempted": event.attempt - 1}
                row |= {"run_id": event.run_id, "step_id": event.step, "attempt": event.attempt}
                row |= {"started_at": event.time, "status": "starting"} | event.data
                for name in ("tool", "stdout_path", "stderr_path"):
                    row[name] = row[name] and row[name].replace("\0", "\ufffd")
                attempts[event.run_id, event.step, event.attempt] = row
            case "attempt.running" if row:
                row |= {"status": "running", "pid": event.data.get("pid") or row["pid"]}
                row |= {"exit_code": None, "error": None, "finished_at": None}
            case "attempt.settled" if row:
                error = event.data.get("error")
                row |= {"exit_code": None, "finished_at": event.time} | event.data
                row["error"] = error and error.replace("\0", "\ufffd")
            case "run.started":
                run = ["running", None, run[2] or event.time, None]
            case "run.paused":
                run = ["paused", None, run[2], None]
            case "run.unpaused":
                run = ["running", None, run[2], None]
            case "run.settled":
                reason = event.data.get("reason")
                reason = reason and reason.replace("\0", "\ufffd")
                run = [event.data["status"], reason, run[2], event.time]
    return run, attempts


def _readable(row: list) -> dict:
    import json

    values = dict(zip(ATTEMPT_COLUMNS, row, strict=True))
    return values | {key: json.loads(values[key]) for key in ("provides", "consumes")}


@given(histories())
def test_one_fold_of_all_events_is_what_they_mean(batches):
    events = [event for batch in batches for event in batch]
    run, attempts = by_hand(events)
    folded = project(events)
    assert {key: _readable(row) for key, row in folded.started.items()} == attempts
    if folded.run is not None:
        change = folded.run
        assert run == [change.status, change.reason, change.started_at, change.finished_at]
    else:
        assert run == ["pending", None, None, None]
    assert not folded.started.keys() & folded.changed.keys()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(histories())
def test_tables_fed_in_batches_hold_the_fold(location, make, batches):
    # PostgreSQL's text cannot hold NUL; names and paths with it are refused before they
    # get here.
    batches = [
        [
            Event(
                e.run_id, e.sequence, e.type, e.time, e.step, e.attempt,
                {k: v.replace("\0", "") if k == "tool" else v for k, v in e.data.items()},
            )
            for e in batch
        ]
        for batch in batches
    ]  # fmt: skip

    async def scenario():
        journal = await open_journal(location)
        try:
            run_id = uuid.uuid4().hex
            await journal.create_run(make.run(run_id))
            lease = await journal.acquire(run_id, current_engine())
            for batch in batches:
                mine = [
                    Event(run_id, e.sequence, e.type, e.time, e.step, e.attempt, e.data)
                    for e in batch
                ]
                await journal.commit(lease, mine)
            assert await journal.check() == []
            run, attempts = by_hand([event for batch in batches for event in batch])
            stored = await journal.run(run_id)
            assert [stored.status, stored.reason, stored.started_at, stored.finished_at] == run
            found = {(row.step_id, row.attempt): row for row in await journal.attempts(run_id)}
            assert found.keys() == {key[1:] for key in attempts}
            for key, wanted in attempts.items():
                row = found[key[1:]]
                for name in ("status", "pid", "exit_code", "error", "finished_at", "provides"):
                    assert getattr(row, name) == wanted[name], name
            async with journal.transaction() as session:
                for table in ("run_events", "step_attempts"):
                    await session.fetch(f"DELETE FROM {table}")
                await session.fetch("DELETE FROM runs")
        finally:
            await journal.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["attempt.starting", "attempt.running", "attempt.settled"])
def test_an_attempt_event_must_name_its_attempt(kind):
    with pytest.raises(TypeError, match="event 7"):
        project([Event("r", 7, kind, 0.0, "s", None, {"status": "failed"})])
