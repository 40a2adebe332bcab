"""Forgetting attempts, tasks and projects. Their work is not lost: what is in no commit is backed
up first, and branches stay."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from stoker.engine.engine import Engine
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.retention import forget
from stoker.journal.base import UnknownRun
from stoker.tasks import devserver
from stoker.tasks.catalog import Catalog
from stoker.tasks.model import Attempt
from stoker.tasks.store import (
    ATTEMPTS,
    DRAFTS,
    MERGES,
    PROJECTS,
    PULL_REQUESTS,
    TASKS,
    TEMPLATES,
)
from stoker.tasks.turns import Turns
from stoker.tasks.work import Work


class Removal:
    """On one engine and its journal."""

    def __init__(self, engine: Engine, catalog: Catalog, turns: Turns, work: Work) -> None:
        self._engine = engine
        self._journal = engine.journal
        self._catalog = catalog
        self._turns = turns
        self._work = work

    async def remove_attempt(self, attempt_id: str) -> None:
        """Forget an attempt and its run. What a crash leaves of it, `recover` finishes. Raises as
        `Work.remove_worktree`."""
        async with self._turns.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            await self._work.give_up(attempt)
            async with self._journal.transaction() as session:
                await ATTEMPTS.put(session, replace(attempt, state="removing"))
            await self.finish(attempt)

    async def remove_task(self, task_id: str) -> None:
        """Forget a task and all attempts at it; others depend on it no longer. Raises as
        `remove_attempt`; a crash leaves it with fewer attempts."""
        task = await self._catalog.task(task_id)
        async with self._journal.snapshot() as session:
            attempts = await ATTEMPTS.find(session, task_id=task_id)
        for attempt in attempts:
            await self._turns.idle(attempt)
        for attempt in attempts:
            await self.remove_attempt(attempt.attempt_id)
        async with self._journal.transaction() as session:
            for other in await TASKS.find(session, project_id=task.project_id):
                if task_id in other.depends_on:
                    now = await TASKS.known(session, other.task_id, lock=True)
                    left = tuple(one for one in now.depends_on if one != task_id)
                    await TASKS.put(session, replace(now, depends_on=left))
            await TASKS.remove(session, task_id)

    async def remove_project(self, project_id: str) -> None:
        """Forget a project and all its tasks; its repository stays as it is. Raises as
        `remove_task`; a crash leaves it with fewer tasks."""
        await self._catalog.project(project_id)
        tasks = await self._catalog.tasks(project_id)
        for task in tasks:
            for attempt in await self._catalog.attempts(task.task_id):
                await self._turns.idle(attempt)
        for task in tasks:
            await self.remove_task(task.task_id)
        async with self._journal.transaction() as session:
            for template in await TEMPLATES.find(session, project_id=project_id):
                await TEMPLATES.remove(session, template.template_id)
            await PROJECTS.remove(session, project_id)

    async def finish(self, attempt: Attempt) -> None:
        """Forget an attempt whose worktree is given up."""
        for run_id in (devserver.run_id(attempt), attempt.run_id):
            await forget_run(self._engine, run_id)
        async with self._journal.transaction() as session:
            for table, key in (
                (DRAFTS, "draft_id"),
                (MERGES, "merge_id"),
                (PULL_REQUESTS, "pull_request_id"),
            ):
                records: list[Any] = await table.find(session, attempt_id=attempt.attempt_id)
                for record in records:
                    await table.remove(session, getattr(record, key))
            for child in await TASKS.find(session, parent_attempt_id=attempt.attempt_id):
                await TASKS.put(session, replace(child, parent_attempt_id=None))
            await ATTEMPTS.remove(session, attempt.attempt_id)


async def forget_run(engine: Engine, run_id: str) -> None:
    """Forget a run that something else kept; one that goes on is ended first."""
    try:
        row = await engine.journal.run(run_id)
    except UnknownRun:
        return
    if row.status not in RUN_OVER:
        await devserver.end(engine, run_id, "it is to be forgotten")
    elif (ending := engine.handle(run_id)) is not None:
        await ending.wait()
    await forget(engine.journal, engine.directory, run_id, kept=True)
