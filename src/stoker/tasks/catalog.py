"""Projects, their tasks and attempts: what is kept of them, and how it may change."""

from __future__ import annotations

import time
import uuid
from pathlib import PurePosixPath
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from stoker.journal.base import Journal
from stoker.journal.session import Session
from stoker.tasks.changes import ProjectChange, TaskChange, given
from stoker.tasks.errors import Conflict, Invalid
from stoker.tasks.model import Attempt, Project, Task, TaskStatus
from stoker.tasks.store import ATTEMPTS, IMAGES, PROJECTS, TASKS
from stoker.workspace import creation
from stoker.workspace.recovery import there
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree

__all__ = ["Catalog", "ProjectChange", "TaskChange", "text"]

R = TypeVar("R", bound=Struct)


class Catalog:
    """What one journal knows of projects, tasks and attempts."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._repositories: dict[str, Repository] = {}

    # Projects.

    async def create_project(
        self, name: str, repository: str, change: ProjectChange | None = None
    ) -> Project:
        """`change`: what it has beside. Raises `NotARepository`, `Invalid`, `Conflict` if a
        project has that repository already."""
        opened = await Repository.open(repository)
        now = time.time()
        project = Project(
            project_id=str(uuid.uuid4()),
            name=name,
            repository=str(opened.path),
            created_at=now,
            updated_at=now,
        )
        project = _changed(project, change or ProjectChange())
        _check_project(project)
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
            return await PROJECTS.known(session, project_id)

    async def project_of(self, directory: str) -> Project:
        """That of the repository a directory is in, made if there is none. Raises
        `NotARepository`."""
        path = (await Repository.open(directory, discover=True)).path
        async with self._journal.snapshot() as session:
            found = await PROJECTS.find(session, repository=str(path))
        if found:
            return found[0]
        try:
            return await self.create_project(path.name, str(path))
        except Conflict:  # somebody was faster
            return await self.project_of(directory)

    async def change_project(self, project_id: str, change: ProjectChange) -> Project:
        """Raises `Unknown`, `Invalid`."""
        async with self._journal.transaction() as session:
            project = await PROJECTS.known(session, project_id, lock=True)
            project = _changed(project, change)
            _check_project(project)
            await PROJECTS.put(session, project)
        return project

    # Tasks.

    async def create_task(
        self,
        project_id: str,
        title: str,
        description: str | None = None,
        change: TaskChange | None = None,
    ) -> Task:
        """`change`: what it has beside. Raises `Unknown`, `Invalid`."""
        task = await self.new_task(project_id, title, description, change)
        async with self._journal.transaction() as session:
            await TASKS.add(session, task)
        return task

    async def new_task(
        self,
        project_id: str,
        title: str,
        description: str | None,
        change: TaskChange | None,
        task_id: str | None = None,
    ) -> Task:
        """A task that is right, but not written down yet. Raises `Unknown`, `Invalid`."""
        now = time.time()
        task = Task(
            task_id=task_id or str(uuid.uuid4()),
            project_id=project_id,
            title=title,
            description=description,
            created_at=now,
            updated_at=now,
        )
        task = _changed(task, change or TaskChange())
        async with self._journal.snapshot() as session:
            await PROJECTS.known(session, project_id)
            await _check_task(session, task)
        return task

    async def tasks(self, project_id: str) -> list[Task]:
        """Of a project, oldest first."""
        async with self._journal.snapshot() as session:
            return await TASKS.find(session, order="created_at", project_id=project_id)

    async def task(self, task_id: str) -> Task:
        """Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return await TASKS.known(session, task_id)

    async def change_task(self, task_id: str, change: TaskChange) -> Task:
        """Raises `Unknown`, `Invalid`."""
        async with self._journal.transaction() as session:
            task = await TASKS.known(session, task_id, lock=True)
            task = _changed(task, change)
            await _check_task(session, task)
            await TASKS.put(session, task)
        return task

    async def move_task(self, task_id: str, *, before: TaskStatus, to: TaskStatus) -> None:
        """Change a task's status if it is `before`."""
        async with self._journal.transaction() as session:
            task = await TASKS.lock(session, task_id)
            if task is not None and task.status == before:
                await TASKS.put(session, _changed(task, TaskChange(status=to)))

    # Attempts.

    async def attempts(self, task_id: str | None = None) -> list[Attempt]:
        """Of a task, or of all; oldest first; those that are whole."""
        of_task = {} if task_id is None else {"task_id": task_id}
        async with self._journal.snapshot() as session:
            return await ATTEMPTS.find(session, order="created_at", state="ready", **of_task)

    async def attempt(self, attempt_id: str) -> Attempt:
        """Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return await ATTEMPTS.known(session, attempt_id)

    async def retarget(self, attempt_id: str, branch: str) -> Attempt:
        """Have an attempt's work go to another branch. Raises `Unknown`."""
        async with self._journal.transaction() as session:
            attempt = await ATTEMPTS.known(session, attempt_id, lock=True)
            attempt = replace(attempt, target_branch=branch, updated_at=time.time())
            await ATTEMPTS.put(session, attempt)
        return attempt

    async def origin(self, attempt: Attempt) -> tuple[Project, Task]:
        """What an attempt is at. Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            task = await TASKS.known(session, attempt.task_id)
            return await PROJECTS.known(session, task.project_id), task

    # What they stand for.

    async def repository(self, project: Project) -> Repository:
        """The project's repository; opening one anew costs three processes."""
        opened = self._repositories.get(project.repository)
        if opened is None or not opened.git.git_dir.exists():
            opened = self._repositories[project.repository] = await Repository.open(
                project.repository
            )
        return opened

    async def home(self, attempt: Attempt) -> Repository:
        """The repository that an attempt is in. Raises `Unknown`."""
        project, _ = await self.origin(attempt)
        return await self.repository(project)

    async def worktree(self, attempt: Attempt) -> Worktree:
        """An attempt's, whether it is there or not. Raises `Unknown`, `NotAWorktree`."""
        return Worktree.open(await self.home(attempt), attempt.worktree)

    async def room(self, attempt: Attempt) -> Worktree:
        """The same; made anew if it was given up. Raises `Unknown`, `WorkspaceError`."""
        if there(attempt.worktree):
            return await self.worktree(attempt)
        project, _ = await self.origin(attempt)
        repository = await self.repository(project)
        return await creation.recreate(
            repository, attempt.worktree, attempt.branch, copy_files=project.copy_files
        )


def text(name: str, value: str) -> str:
    """Raises `Invalid` for an empty one."""
    if not value.strip():
        raise Invalid(f"{name}: expected text, found nothing")
    return value


def _changed(record: R, change: ProjectChange | TaskChange) -> R:
    return replace(record, **given(change), updated_at=time.time())


def _check_project(project: Project) -> None:
    text("name", project.name)
    if project.wip_limit is not None and project.wip_limit < 1:
        raise Invalid(f"wip_limit: expected 1 or more, found {project.wip_limit}")
    place = PurePosixPath(project.directory)
    if place.is_absolute() or ".." in place.parts:
        raise Invalid(f"directory: expected one in the repository, found {project.directory!r}")


async def _check_task(session: Session, task: Task) -> None:
    text("title", task.title)
    for other in task.depends_on:
        found = await TASKS.get(session, other)
        if found is None or found.project_id != task.project_id:
            raise Invalid(f"depends_on: {other!r} is no task of the project")
    for image in task.images:
        if await IMAGES.get(session, image) is None:
            raise Invalid(f"images: there is no image {image!r}")
    if await _leads_to(session, task.depends_on, task.task_id):
        raise Invalid("depends_on: the task would wait for itself")


async def _leads_to(session: Session, begin: tuple[str, ...], goal: str) -> bool:
    """Whether a task is among `begin` and what those depend on."""
    found, ahead = set(begin), list(begin)
    while ahead:
        task = await TASKS.get(session, ahead.pop())
        new = set(task.depends_on if task else ()) - found
        found |= new
        ahead += new
    return goal in found
