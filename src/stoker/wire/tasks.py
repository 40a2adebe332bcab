"""Projects and their tasks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from stoker.tasks.model import Attempt, Project, Task, TaskStatus

Text = Annotated[str, Meta(min_length=1, max_length=1000)]
LongText = Annotated[str, Meta(max_length=1_000_000)]


class ProjectRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A repository to have tasks done in."""

    name: Text
    repository: Text
    """Path of its working tree on the server's machine, inside one of the server's roots."""
    setup_script: LongText | None = None
    """Shell text run in a new worktree, before the agent."""
    cleanup_script: LongText | None = None
    """Shell text run after each turn of an agent."""
    copy_files: tuple[Text, ...] = ()
    """Patterns of untracked files that a new worktree gets copies of."""


class Projects(Struct, frozen=True):
    """All projects, oldest first."""

    projects: list[Project]


class TaskRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to be done."""

    title: Text
    description: LongText | None = None


class StatusRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a task is to be called."""

    status: TaskStatus


class TaskView(Struct, frozen=True):
    """A task and its attempts, oldest first."""

    task: Task
    attempts: list[Attempt]


class Tasks(Struct, frozen=True):
    """The tasks of a project, oldest first."""

    tasks: list[TaskView]
