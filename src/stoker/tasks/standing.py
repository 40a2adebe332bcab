"""How many attempts stand, without reading their runs."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from stoker.engine.engine import Engine
from stoker.engine.lifecycle import RUN_OVER, STEP_OVER
from stoker.engine.state import RunState
from stoker.journal.base import Journal
from stoker.tasks.model import Attempt
from stoker.tasks.plan import role
from stoker.tasks.store import ATTEMPTS

_PROCESSES: Final = ("setup", "agent", "cleanup")
_LAST: Final = """
    SELECT a.attempt_id, a.run_id, r.status, (
        SELECT s.status FROM step_attempts s WHERE s.run_id = a.run_id AND (
            s.step_id = 'setup' OR s.step_id LIKE 'agent-%' OR s.step_id LIKE 'cleanup-%'
        ) ORDER BY s.started_at DESC LIMIT 1
    ), EXISTS (
        SELECT 1 FROM merges m WHERE m.attempt_id = a.attempt_id
    ) OR EXISTS (
        SELECT 1 FROM pull_requests p
        WHERE p.attempt_id = a.attempt_id AND p.status = 'merged'
    )
    FROM attempts a JOIN tasks t ON t.task_id = a.task_id LEFT JOIN runs r ON r.run_id = a.run_id
    WHERE a.state = 'ready'"""


class Standing(Struct, frozen=True):
    """How an attempt stands."""

    under_way: bool
    """Its setup, a turn, or what follows one has begun or is to begin."""
    last: str | None
    """How the newest of its processes stands: as an attempt of a step."""
    merged: bool
    """Its work is in its target branch."""


async def standings(
    engine: Engine,
    journal: Journal,
    *,
    project_id: str | None = None,
    task_id: str | None = None,
    attempt_id: str | None = None,
) -> dict[str, Standing]:
    """By attempt: of a project, of a task, that one, or all."""
    sql, asked = _LAST, []
    for column, value in (
        ("t.project_id", project_id),
        ("a.task_id", task_id),
        ("a.attempt_id", attempt_id),
    ):
        if value is not None:
            asked.append(value)
            sql += f" AND {column} = ?{len(asked)}"
    async with journal.snapshot() as session:
        rows = await session.fetch(sql, *asked)
    found = {}
    for key, run_id, status, last, merged in rows:
        handle = engine.handle(run_id)
        if handle is None:
            under_way = status is not None and status not in RUN_OVER
            found[str(key)] = Standing(under_way, last, bool(merged))
        else:
            found[str(key)] = _live(handle.state, merged=bool(merged))
    return found


async def attempts_like(journal: Journal, prefix: str) -> list[Attempt]:
    """Those whose ids begin so, in lower-case hexadecimal and hyphens."""
    async with journal.snapshot() as session:
        # `g` sorts after every digit, also where hyphens do not count.
        rows = await session.fetch(
            "SELECT attempt_id FROM attempts WHERE attempt_id >= ?1 AND attempt_id < ?2",
            prefix,
            f"{prefix}g",
        )
        found = [await ATTEMPTS.get(session, str(key)) for (key,) in rows]
    return [one for one in found if one is not None and one.attempt_id.startswith(prefix)]


def _live(state: RunState, *, merged: bool) -> Standing:
    """Rows of attempts are written a moment after their events; this is not."""
    newest, last, under_way = 0.0, None, False
    for step in state.steps:
        found = role(step.step.id)
        if found is None:
            continue
        if found[0] in (*_PROCESSES, "checkpoint") and step.status not in STEP_OVER:
            under_way = True
        if found[0] in _PROCESSES and (step.last_started or 0.0) > newest:
            newest, last = step.last_started or 0.0, step.attempt_status
    return Standing(under_way and state.status not in RUN_OVER, last, merged)
