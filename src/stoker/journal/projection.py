"""From events to the rows of `runs` and `step_attempts`; pure, and the same for every database.

`project` folds a batch, so a row that changes twice in it is written once. Folding a run's
whole history gives exactly its rows: that is how a journal is checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from stoker.journal import rows
from stoker.journal.base import AttemptRow
from stoker.journal.events import (
    ATTEMPT_RUNNING,
    ATTEMPT_SETTLED,
    ATTEMPT_STARTING,
    RUN_PAUSED,
    RUN_REOPENED,
    RUN_SETTLED,
    RUN_STARTED,
    RUN_UNPAUSED,
    Event,
)

ATTEMPT_COLUMNS = (*AttemptRow.__struct_fields__, "tool")
"""Columns of `step_attempts` in the order of an inserted row."""
_AT = {name: index for index, name in enumerate(ATTEMPT_COLUMNS)}
STATUS, _PID, _EXIT, _ERROR, _FINISHED = (
    _AT[name] for name in ("status", "pid", "exit_code", "error", "finished_at")
)
_RUN_STATUS = {
    RUN_STARTED: "running",
    RUN_PAUSED: "paused",
    RUN_UNPAUSED: "running",
    RUN_REOPENED: "running",
}
RUN_EVENTS = frozenset((*_RUN_STATUS, RUN_SETTLED))
"""Events that change the row of the run itself."""

AttemptKey = tuple[str, str, int]
"""run_id, step_id, attempt."""

_encode = msgspec.json.Encoder().encode


class RunChange(Struct, frozen=True):
    """New values of a run's columns."""

    status: str
    reason: str | None = None
    started_at: float | None = None
    """Kept only by a run that has none yet: the first start counts."""
    finished_at: float | None = None


class Changes(Struct, frozen=True):
    """What a batch of events changes. No attempt is in both `started` and `changed`."""

    run: RunChange | None
    started: dict[AttemptKey, list[Any]]
    """Whole rows by `ATTEMPT_COLUMNS`, replacing a row of the same key."""
    changed: dict[AttemptKey, list[Any]]
    """`[status, pid, exit_code, error, finished_at]`; a pid of None keeps the one there."""


def project(events: Iterable[Event]) -> Changes:
    """Fold events of one run, in order. Raises `KeyError` for an event without its status
    and `TypeError` for an attempt event that does not name its attempt."""
    run: RunChange | None = None
    started: dict[AttemptKey, list[Any]] = {}
    changed: dict[AttemptKey, list[Any]] = {}
    for event in events:
        kind = event.type
        if kind == ATTEMPT_STARTING:
            key = _key(event)
            started[key] = _starting(event)
            changed.pop(key, None)
        elif kind == ATTEMPT_RUNNING:
            _change(started, changed, _key(event), ["running", event.data.get("pid"), *_OPEN])
        elif kind == ATTEMPT_SETTLED:
            data = event.data
            end = [data["status"], None, data.get("exit_code"), _text(data), event.time]
            _change(started, changed, _key(event), end)
        elif kind in _RUN_STATUS or kind == RUN_SETTLED:
            run = _run(run, event)
    return Changes(run, started, changed)


def overlay(attempts: dict[AttemptKey, list[Any]], changes: Changes) -> None:
    """Bring rows by `ATTEMPT_COLUMNS` up to date, as the database does with its own."""
    attempts.update(changes.started)
    for key, (status, pid, *end) in changes.changed.items():
        row = attempts.get(key)
        if row is None:
            continue
        row[STATUS], row[_PID] = status, row[_PID] if pid is None else pid
        row[_EXIT], row[_ERROR], row[_FINISHED] = end


_OPEN = (None, None, None)
"""exit_code, error and finished_at of an attempt that has not ended."""


def _run(before: RunChange | None, event: Event) -> RunChange:
    first = before.started_at if before is not None else None
    if event.type == RUN_SETTLED:
        return RunChange(event.data["status"], _text(event.data, "reason"), first, event.time)
    if event.type == RUN_STARTED and first is None:
        first = event.time
    return RunChange(_RUN_STATUS[event.type], None, first)


def _key(event: Event) -> AttemptKey:
    if event.step is None or event.attempt is None:
        raise TypeError(f"event {event.sequence} ({event.type}) names no step and attempt")
    return event.run_id, event.step, event.attempt


def _starting(event: Event) -> list[Any]:
    get = event.data.get
    attempt = event.attempt or 1
    return [
        event.run_id,
        event.step,
        attempt,
        "starting",
        get("kind") or "",
        None,  # pid
        get("timeout_sec"),
        attempt - 1 if (retries := get("retries_attempted")) is None else retries,
        get("on_failure") or "abort",
        _encode(get("provides") or ()).decode(),
        _encode(get("consumes") or ()).decode(),
        *_OPEN[:2],
        event.time,
        None,  # finished_at
        _text(event.data, "stdout_path"),
        _text(event.data, "stderr_path"),
        _text(event.data, "tool"),
    ]


def _change(
    started: dict[AttemptKey, list[Any]],
    changed: dict[AttemptKey, list[Any]],
    key: AttemptKey,
    values: list[Any],
) -> None:
    row = started.get(key)
    if row is not None:
        pid = values[1] if values[1] is not None else row[_PID]
        row[STATUS], row[_PID], row[_EXIT], row[_ERROR], row[_FINISHED] = (
            values[0],
            pid,
            *values[2:],
        )
        return
    before = changed.get(key)
    if before is not None and values[1] is None:
        values[1] = before[1]
    changed[key] = values


def _text(data: dict[str, Any], key: str = "error") -> str | None:
    # What a child printed may hold NUL, which PostgreSQL's text cannot; both databases
    # keep the same.
    value = data.get(key)
    return rows.text(value.replace("\0", "\ufffd")) if isinstance(value, str) else value
