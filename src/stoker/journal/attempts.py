"""The attempts of a run as its events say, where its rows may be a moment behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from stoker.journal import rows
from stoker.journal.projection import ATTEMPT_COLUMNS, AttemptKey, overlay, project

Fetch = Callable[..., Awaitable[Sequence[rows.Row]]]

_STORED = f"SELECT {', '.join(ATTEMPT_COLUMNS)} FROM step_attempts WHERE run_id = ?1"  # noqa: S608
TAIL = (
    f"SELECT {', '.join(rows.EVENT_COLUMNS)} FROM run_events WHERE run_id = ?1 "  # noqa: S608
    "AND sequence > (SELECT last_sequence FROM runs WHERE run_id = ?1) ORDER BY sequence"
)
"""A run's events that its rows of attempts do not tell of yet."""


async def stored(fetch: Fetch, run_id: str) -> dict[AttemptKey, list[Any]]:
    """The rows as they stand, by `ATTEMPT_COLUMNS`."""
    return {(row[0], row[1], row[2]): list(row) for row in await fetch(_STORED, run_id)}


async def current(fetch: Fetch, run_id: str) -> dict[AttemptKey, list[Any]]:
    """The rows with every event folded in. `fetch` must see one state of the journal."""
    found = await stored(fetch, run_id)
    tail = await fetch(TAIL, run_id)
    if tail:
        overlay(found, project(rows.event_row(row) for row in tail))
    return found
