"""Tasks that begin by themselves: as soon as what they wait for is done and there is room.

A task with an `agent` is begun when all it depends on is done and fewer tasks of its project
are in progress than the project's limit. Whether it may be is asked again in the transaction
that begins it, so that processes which start tasks at the same time keep the limit together.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from stoker.journal.base import JournalError
from stoker.log import get_logger
from stoker.plan.errors import PlanError
from stoker.tasks.catalog import Catalog
from stoker.tasks.errors import NotReady, TasksError, Unknown
from stoker.tasks.feed import Feed
from stoker.tasks.model import Task
from stoker.tasks.readiness import ready
from stoker.tasks.starter import Starter
from stoker.workspace.errors import WorkspaceError

log = get_logger(__name__)

_AGAIN_SEC: Final = 1.0


class Schedule:
    """Begins tasks of one journal; `run` does it."""

    def __init__(self, feed: Feed, catalog: Catalog, starter: Starter) -> None:
        self._feed = feed
        self._catalog = catalog
        self._starter = starter
        self._refused: dict[str, float] = {}
        """Tasks that could not be begun, and how old what was tried is: not tried again until
        they are changed."""

    async def run(self) -> None:
        """Begin what is ready now, and with every change, until cancelled."""
        while True:
            try:
                async for changes in self._feed.follow():
                    if any(change.subject in ("tasks", "projects") for change in changes):
                        await self._look()
            except JournalError as error:
                log.warning("tasks not looked at", error=str(error))
                await asyncio.sleep(_AGAIN_SEC)

    async def _look(self) -> None:
        for project in await self._catalog.projects():
            for task in ready(project, await self._catalog.tasks(project.project_id)):
                if self._refused.get(task.task_id) != task.updated_at:
                    await self._begin(task)

    async def _begin(self, task: Task) -> None:
        executor, _, variant = (task.agent or "").partition(":")
        try:
            await self._starter.start(task.task_id, executor=executor, variant=variant or None)
        except NotReady:
            return  # somebody has taken the room; when there is some again, it is looked at
        except (TasksError, WorkspaceError, PlanError, JournalError, OSError) as error:
            with suppress(Unknown):  # as what was tried has left it
                now = await self._catalog.task(task.task_id)
                self._refused[task.task_id] = now.updated_at
            log.warning("task not begun", task=task.task_id, error=str(error))
