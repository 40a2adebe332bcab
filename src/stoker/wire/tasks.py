"""Projects and their tasks."""

from __future__ import annotations

from msgspec import Struct

from stoker.tasks.changes import Path, ProjectChange, TaskFields, Text
from stoker.tasks.model import Attempt, Project, Task
from stoker.workspace.model import Branch, Match


class ProjectRequest(ProjectChange, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A repository to have tasks done in."""

    name: Text
    repository: Text
    """Path of its working tree on the server's machine, inside one of the server's roots."""


class Projects(Struct, frozen=True):
    """All projects, oldest first."""

    projects: list[Project]


class Branches(Struct, frozen=True):
    """The branches of a repository, the most recently committed to first."""

    branches: list[Branch]


class Matches(Struct, frozen=True):
    """What was found, the best first."""

    matches: list[Match]


class EditorRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to open, and with what, on the server's machine."""

    editor: Text = "vscode"
    """`vscode`, `cursor`, `windsurf`, `zed`, `intellij`, `xcode`, `vim`, `neovim` or `custom`."""
    custom_command: Text | None = None
    """Of `custom`: words as in a shell, which none interprets."""
    file: Path | None = None
    """Default: all of it."""


class TaskRequest(TaskFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to be done."""

    title: Text


class TaskView(Struct, frozen=True):
    """A task and its attempts, oldest first."""

    task: Task
    attempts: list[Attempt]


class Tasks(Struct, frozen=True):
    """Some tasks of a project, oldest first."""

    tasks: list[TaskView]
    next_cursor: str | None = None
    """For the next page; None: this is the last."""
