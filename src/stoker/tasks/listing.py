"""Attempts and tasks in pages, however many there are: a fixed number of questions for each."""

from __future__ import annotations

from collections import defaultdict

from stoker.engine.engine import Engine
from stoker.tasks.model import Attempt, Listed, Task
from stoker.tasks.store import ATTEMPTS, OVER, TASKS

Place = tuple[float, str]
"""`created_at` and id of the last of the page before."""


async def attempts(
    engine: Engine,
    *,
    project_id: str | None = None,
    task_id: str | None = None,
    active: bool | None = None,
    limit: int,
    before: Place | None = None,
) -> list[Listed]:
    """The newest first: of a project, of a task, or of all; `active`: only those whose run is not
    over, or is."""
    wanted, asked = "a.state = 'ready'", []
    for column, value in (("t.project_id", project_id), ("a.task_id", task_id)):
        if value is not None:
            asked.append(value)
            wanted += f" AND {column} = ?{len(asked)}"
    if active is not None:
        wanted += f" AND COALESCE(r.status, 'canceled') {'NOT ' if active else ''}IN ({OVER})"
    values: list[object] = [*asked]
    if before is not None:
        values += [*before]
        at, key = len(values) - 1, len(values)
        wanted += f" AND (a.created_at < ?{at} OR a.created_at = ?{at} AND a.attempt_id < ?{key})"
    async with engine.journal.snapshot() as session:
        rows = await session.fetch(
            "SELECT a.attempt_id, t.project_id, r.status, r.reason, r.finished_at "  # noqa: S608 - ours
            "FROM attempts a JOIN tasks t ON t.task_id = a.task_id "
            f"LEFT JOIN runs r ON r.run_id = a.run_id WHERE {wanted} "
            f"ORDER BY a.created_at DESC, a.attempt_id DESC LIMIT {int(limit)}",
            *values,
        )
        keys = [str(row[0]) for row in rows]
        found = {one.attempt_id: one for one in await ATTEMPTS.find(session, attempt_id=keys)}
    listed = []
    for key, project, status, reason, finished_at in rows:
        attempt = found[str(key)]
        handle = engine.handle(attempt.run_id)  # rows are written a moment after their events
        listed.append(
            Listed(
                attempt=attempt,
                project_id=project,
                status=handle.state.status if handle else status,
                reason=handle.state.reason if handle else reason,
                finished_at=None if handle else finished_at,
            )
        )
    return listed


async def tasks(
    engine: Engine, project_id: str, *, limit: int, after: Place | None = None
) -> list[tuple[Task, list[Attempt]]]:
    """Of a project, the oldest first, each with its attempts."""
    wanted, values = "project_id = ?1", [project_id]
    if after is not None:
        values += [*after]  # type: ignore[list-item]
        wanted += " AND (created_at > ?2 OR created_at = ?2 AND task_id > ?3)"
    async with engine.journal.snapshot() as session:
        rows = await session.fetch(
            f"SELECT task_id FROM tasks WHERE {wanted} "  # noqa: S608 - ours
            f"ORDER BY created_at, task_id LIMIT {int(limit)}",
            *values,
        )
        keys = [str(row[0]) for row in rows]
        found = {one.task_id: one for one in await TASKS.find(session, task_id=keys)}
        theirs = defaultdict(list)
        for attempt in await ATTEMPTS.find(session, order="created_at", task_id=keys):
            if attempt.state == "ready":
                theirs[attempt.task_id].append(attempt)
    return [(found[key], theirs[key]) for key in keys]
