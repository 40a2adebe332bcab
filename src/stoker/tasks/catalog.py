"""Projects and their tasks: what is kept of them, and how it may change."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from stoker.journal.base import Journal
from stoker.journal.session import Session
from stoker.tasks.errors import Conflict, Invalid, Unknown
from stoker.tasks.model import Project, Task, TaskStatus
from stoker.tasks.store import PROJECTS, TASKS, Table
from stoker.workspace.repository import Repository

R = TypeVar("R", bound=Struct)


class Catalog:
    """The projects and tasks of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._repositories: dict[str, Repository] = {}

    # Projects.

    async def create_project(
        self,
        name: str,
        repository: str,
        *,
        setup_script: str | None = None,
        cleanup_script: str | None = None,
        copy_files: Sequence[str] = (),
    ) -> Project:
        """Raises `NotARepository`, `Conflict` if a project has that repository already."""
        opened = await Repository.open(repository)
        now = time.time()
        project = Project(
            project_id=str(uuid.uuid4()),
            name=text("name", name),
            repository=str(opened.path),
            setup_script=setup_script or None,
            cleanup_script=cleanup_script or None,
            copy_files=tuple(copy_files),
            created_at=now,
            updated_at=now,
        )
        async with self._journal.transaction() as session:
            if not await PROJECTS.add(session, project):
                raise Conflict(f"there is a project with the repository {opened.path} already")
        return project

    async def projects(self) -> list[Project]:
        """Oldest first."""
        async with self._journal.snapshot() as session:
            return await PROJECTS.find(session, order="created_at")

    async def project(self, project_id: str) -> Project:
        """Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return await known(session, PROJECTS, "project", project_id)

    # Tasks.

    async def create_task(
        self,
        project_id: str,
        title: str,
        description: str | None = None,
        *,
        parent_attempt_id: str | None = None,
    ) -> Task:
        """Raises `Unknown`, `Invalid`."""
        now = time.time()
        task = Task(
            task_id=str(uuid.uuid4()),
            project_id=project_id,
            title=text("title", title),
            description=description or None,
            parent_attempt_id=parent_attempt_id,
            created_at=now,
            updated_at=now,
        )
        async with self._journal.transaction() as session:
            await known(session, PROJECTS, "project", project_id)
            await TASKS.add(session, task)
        return task

    async def tasks(self, project_id: str) -> list[Task]:
        """Of a project, oldest first."""
        async with self._journal.snapshot() as session:
            return await TASKS.find(session, order="created_at", project_id=project_id)

    async def task(self, task_id: str) -> Task:
        """Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return await known(session, TASKS, "task", task_id)

    async def set_status(self, task_id: str, to: TaskStatus) -> Task:
        """Raises `Unknown`."""
        async with self._journal.transaction() as session:
            task = await known(session, TASKS, "task", task_id)
            task = replace(task, status=to, updated_at=time.time())
            await TASKS.put(session, task)
        return task

    async def remove_task(self, task_id: str) -> None:
        """Forget a task that has no attempts."""
        async with self._journal.transaction() as session:
            await TASKS.remove(session, task_id)

    async def repository(self, project: Project) -> Repository:
        """The project's repository; opening one anew costs three processes."""
        opened = self._repositories.get(project.repository)
        if opened is None or not opened.git.git_dir.exists():
            opened = self._repositories[project.repository] = await Repository.open(
                project.repository
            )
        return opened


async def known(session: Session, table: Table[R], what: str, key: str) -> R:
    """The record. Raises `Unknown`."""
    found = await table.get(session, key)
    if found is None:
        raise Unknown(what, key)
    return found


def text(name: str, value: str) -> str:
    """Raises `Invalid` for an empty one."""
    if not value.strip():
        raise Invalid(f"{name}: expected text, found nothing")
    return value
