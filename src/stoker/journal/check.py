"""Is a journal sound? The questions that are the same SQL in both databases."""

from __future__ import annotations

from typing import Any

from stoker.journal import rows
from stoker.journal.attempts import Fetch, current
from stoker.journal.base import JournalError
from stoker.journal.projection import Changes, project

_CHILDREN = ("run_events", "step_attempts", "run_commands", "lock_claims")
_GAPS = """
    SELECT r.run_id, r.last_sequence, COUNT(e.sequence), COALESCE(MAX(e.sequence), 0)
    FROM runs r LEFT JOIN run_events e ON e.run_id = r.run_id
    GROUP BY r.run_id, r.last_sequence
    HAVING COUNT(e.sequence) < r.last_sequence OR COUNT(e.sequence) <> COALESCE(MAX(e.sequence), 0)
    ORDER BY r.run_id"""
_RUNS = "SELECT run_id, status, reason, started_at, finished_at FROM runs ORDER BY run_id"
_EVENTS = (
    f"SELECT {', '.join(rows.EVENT_COLUMNS)} FROM run_events "  # noqa: S608
    "WHERE run_id = ?1 ORDER BY sequence"
)


async def problems(fetch: Fetch) -> list[str]:
    """Rows without their run, gaps in sequences, and projections that differ from the fold
    of their events; one run is held in memory at a time."""
    found = []
    for table in _CHILDREN:
        orphans = await fetch(
            f"SELECT COUNT(*) FROM {table} c "  # noqa: S608
            "WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = c.run_id)"
        )
        if orphans[0][0]:
            found.append(f"{table}: {orphans[0][0]} rows of runs that do not exist")
    for (run_id,) in await fetch(
        "SELECT run_id FROM runs r "
        "WHERE NOT EXISTS (SELECT 1 FROM plans p WHERE p.digest = r.plan_digest)"
    ):
        found.append(f"run {run_id}: its plan is missing")
    for run_id, last, count, highest in await fetch(_GAPS):
        found.append(
            f"run {run_id}: {count} events up to sequence {highest}, {last} were projected"
        )
    for run in await fetch(_RUNS):
        found += await _projection_problems(fetch, run)
    return found


async def _projection_problems(fetch: Fetch, run: rows.Row) -> list[str]:
    run_id = run[0]
    try:
        folded = project(rows.event_row(row) for row in await fetch(_EVENTS, run_id))
    except (KeyError, TypeError, JournalError) as error:
        return [f"run {run_id}: an event cannot be folded: {error!r}"]
    stored = await current(fetch, run_id)
    found = [
        f"run {run_id}: step {step} attempt {number} is not what its events say"
        for step, number in sorted(
            (key[1], key[2])
            for key in stored.keys() | folded.started.keys()
            if stored.get(key) != folded.started.get(key)
        )
    ]
    if list(run[1:]) != _run_columns(folded):
        found.append(f"run {run_id} is {run[1]}, which is not what its events say")
    return found


def _run_columns(folded: Changes) -> list[Any]:
    change = folded.run
    if change is None:
        return ["pending", None, None, None]
    return [change.status, change.reason, change.started_at, change.finished_at]
