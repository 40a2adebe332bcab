"""A commit as one PostgreSQL statement: fence, events and projections in one round trip.

The columns of a batch travel as arrays (`unnest`), so a batch of a hundred costs hardly
more than one. Everything hangs on the row that the fence returns; without it nothing runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stoker.journal import rows
from stoker.journal.base import Lease
from stoker.journal.events import Event
from stoker.journal.projection import ATTEMPT_COLUMNS, project

_EVENT_TYPES = ("text", "bigint", "text", "float8", "text", "int", "json")
_ATTEMPT_TYPES = {
    "attempt": "int",
    "pid": "bigint",
    "timeout_sec": "float8",
    "retries_attempted": "int",
    "provides": "json",
    "consumes": "json",
    "exit_code": "bigint",
    "started_at": "float8",
    "finished_at": "float8",
}
"""The others are text."""
_CHANGE_COLUMNS = ("status", "pid", "exit_code", "error", "finished_at")
_KEY = ("run_id", "step_id", "attempt")


def _arrays(first: int, types: Sequence[str]) -> str:
    return ", ".join(f"${first + index}::{kind}[]" for index, kind in enumerate(types))


def _statement() -> str:
    attempt_types = [_ATTEMPT_TYPES.get(name, "text") for name in ATTEMPT_COLUMNS]
    changed = (*_CHANGE_COLUMNS, *_KEY)
    changed_types = [_ATTEMPT_TYPES.get(name, "text") for name in changed]
    events_at = 11
    started_at = events_at + len(_EVENT_TYPES)
    changed_at = started_at + len(attempt_types)
    replaced = ", ".join(f"{name} = excluded.{name}" for name in ATTEMPT_COLUMNS)
    # Only names and numbers of this module are put into the text.
    return f"""
        WITH fence AS (
            UPDATE runs SET
                last_sequence = COALESCE($4::bigint, last_sequence),
                status = COALESCE($5::text, status),
                reason = CASE WHEN $5::text IS NULL THEN reason ELSE $6::text END,
                started_at = COALESCE(started_at, $7::float8),
                finished_at = CASE WHEN $5::text IS NULL THEN finished_at ELSE $8::float8 END
            WHERE run_id = $1 AND lease_epoch = $2
                AND ($3::bigint IS NULL OR last_sequence = $3::bigint)
            RETURNING run_id
        ), events AS (
            INSERT INTO run_events ({", ".join(rows.EVENT_COLUMNS)})
            SELECT e.* FROM fence, unnest({_arrays(events_at, _EVENT_TYPES)}) AS e
        ), started AS (
            INSERT INTO step_attempts ({", ".join(ATTEMPT_COLUMNS)})
            SELECT s.* FROM fence, unnest({_arrays(started_at, attempt_types)}) AS s
            ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET {replaced}
        ), changed AS (
            UPDATE step_attempts a SET
                status = c.status, pid = COALESCE(c.pid, a.pid), exit_code = c.exit_code,
                error = c.error, finished_at = c.finished_at
            FROM fence, unnest({_arrays(changed_at, changed_types)}) AS c ({", ".join(changed)})
            WHERE a.run_id = c.run_id AND a.step_id = c.step_id AND a.attempt = c.attempt
        ), applied AS (
            UPDATE run_commands SET applied_at = extract(epoch FROM clock_timestamp())
            FROM fence WHERE run_commands.run_id = fence.run_id AND id = ANY ($9::bigint[])
        )
        SELECT pg_notify('stoker_changes', run_id),
            CASE WHEN $10 THEN set_config('synchronous_commit', 'on', true) END
        FROM fence"""  # noqa: S608


COMMIT = _statement()
"""Returns one row, or none if the fence did not let it pass."""


def commit_arguments(
    lease: Lease, events: Sequence[Event], *, applied: Sequence[int], barrier: bool
) -> list[Any]:
    """Arguments of `COMMIT`. Raises `JournalError` for events that cannot be kept."""
    event_rows = rows.event_tuples(lease.run_id, events) if events else []
    changes = project(events)
    run = changes.run
    return [
        lease.run_id,
        lease.epoch,
        events[0].sequence - 1 if events else None,
        events[-1].sequence if events else None,
        *((run.status, run.reason, run.started_at, run.finished_at) if run else (None,) * 4),
        list(applied),
        barrier,
        *_columns(event_rows, len(_EVENT_TYPES)),
        *_columns(list(changes.started.values()), len(ATTEMPT_COLUMNS)),
        *_columns(
            [(*row, *key) for key, row in changes.changed.items()],
            len(_CHANGE_COLUMNS) + len(_KEY),
        ),
    ]


def _columns(table: Sequence[Sequence[Any]], width: int) -> Iterator[tuple[Any, ...]]:
    return zip(*table, strict=True) if table else iter([()] * width)
