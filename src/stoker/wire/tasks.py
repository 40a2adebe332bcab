"""Projects and their tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from stoker.tasks.model import Attempt, Project, Task, TaskStatus

Text = Annotated[str, Meta(min_length=1, max_length=1000)]
Path = Annotated[str, Meta(max_length=4096)]
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
    dev_script: LongText | None = None
    """Shell text that serves what is in a worktree, until it is stopped."""
    copy_files: tuple[Text, ...] = ()
    """Patterns of untracked files that a new worktree gets copies of."""
    directory: Path = ""
    """Where in the repository agents and scripts work; empty: at its top."""
    wip_limit: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """How many of its tasks may be in progress; further ones wait."""
    auto_pull_request: bool = False
    """Open a pull request when an attempt's turn has ended well."""
    reviewers: tuple[Text, ...] = ()
    """Of its pull requests."""
    open_issue: bool = False
    """Open an issue where its repository is hosted, for each task that is begun."""


class Projects(Struct, frozen=True):
    """All projects, oldest first."""

    projects: list[Project]


class BranchView(Struct, frozen=True, kw_only=True):
    """A branch, of the repository or of a remote."""

    name: str
    is_current: bool
    is_remote: bool
    commit: str
    last_commit_date: datetime


class Branches(Struct, frozen=True):
    """The branches of a repository, the most recently committed to first."""

    branches: list[BranchView]


class MatchView(Struct, frozen=True, kw_only=True):
    """A file or directory found by name."""

    path: str
    is_file: bool
    match_type: Literal["FileName", "DirectoryName", "FullPath"]


class Matches(Struct, frozen=True):
    """What was found, the best first."""

    matches: list[MatchView]


class EditorRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to open, and with what, on the server's machine."""

    editor: Text = "vscode"
    """`vscode`, `cursor`, `windsurf`, `zed`, `intellij`, `xcode`, `vim`, `neovim` or `custom`."""
    custom_command: Text | None = None
    """Of `custom`: words as in a shell, which none interprets."""
    file: Path | None = None
    """Default: all of it."""


class TaskRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to be done."""

    title: Text
    description: LongText | None = None
    parent_attempt_id: Text | None = None
    """The attempt whose work led to it."""
    labels: tuple[Text, ...] = ()
    depends_on: tuple[Text, ...] = ()
    """Ids of tasks to be done before it."""
    images: tuple[Text, ...] = ()
    """Ids of those that belong to it."""
    agent: Text | None = None
    """`EXECUTOR[:VARIANT]`: begun with it as soon as its dependencies and the limit of its
    project allow."""
    base_branch: Text | None = None
    issue_url: Text | None = None


class StatusRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a task is to be called."""

    status: TaskStatus


class TaskView(Struct, frozen=True):
    """A task and its attempts, oldest first."""

    task: Task
    attempts: list[Attempt]


class Tasks(Struct, frozen=True):
    """Some tasks of a project, oldest first."""

    tasks: list[TaskView]
    next_cursor: str | None = None
    """For the next page; None: this is the last."""
