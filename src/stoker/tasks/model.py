"""What people want done: projects, their tasks, and the attempts at them.

An attempt is a run of the engine in a worktree of its own; what happens in it is the
run's to tell, and is stored nowhere else.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

TaskStatus = Literal["todo", "inprogress", "inreview", "done", "cancelled"]


class Project(Struct, frozen=True, kw_only=True):
    """A repository whose tasks are done here."""

    project_id: str
    name: str
    repository: str
    """Absolute path of its working tree; no two projects have the same."""
    setup_script: str | None = None
    """Shell text run in a new worktree, before the agent."""
    cleanup_script: str | None = None
    """Shell text run after each turn of an agent."""
    copy_files: tuple[str, ...] = ()
    """Patterns of untracked files, such as `.env`, that a new worktree gets copies of."""
    created_at: float
    updated_at: float


class Task(Struct, frozen=True, kw_only=True):
    """Something to be done in a project."""

    task_id: str
    project_id: str
    title: str
    description: str | None = None
    status: TaskStatus = "todo"
    parent_attempt_id: str | None = None
    """The attempt whose work led to this task."""
    created_at: float
    updated_at: float


class Attempt(Struct, frozen=True, kw_only=True):
    """One try at a task: a branch, a worktree, a run, an agent."""

    attempt_id: str
    task_id: str
    run_id: str
    executor: str
    variant: str | None = None
    branch: str
    target_branch: str
    """Where the work is to go, and what it was begun from."""
    base_commit: str = ""
    worktree: str = ""
    """Absolute; empty once it was removed."""
    state: Literal["creating", "ready"] = "creating"
    """`creating`: not all of it exists; what a crash leaves so is cleared away."""
    request_key: str | None = None
    """The caller's idempotency key."""
    created_at: float
    updated_at: float


class FollowUp(Struct, frozen=True, kw_only=True):
    """What an attempt's agent is to be told next, once it has ended its turn."""

    attempt_id: str
    prompt: str
    variant: str | None = None
    queued: bool = False
    """Sent as soon as the agent is idle; else a draft."""
    version: int = 1
    """Grows with every change."""
    updated_at: float
