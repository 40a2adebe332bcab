"""What people want done: projects, their tasks, and the attempts at them.

An attempt is a run of the engine in a worktree of its own; what happens in it is the
run's to tell, and is stored nowhere else.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from stoker.agents.stream import Approval
from stoker.hosting.model import Comment

TaskStatus = Literal["todo", "inprogress", "inreview", "done", "cancelled"]
DraftKind = Literal["follow_up", "retry"]


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
    dev_script: str | None = None
    """Shell text that serves what is in a worktree, until it is stopped."""
    copy_files: tuple[str, ...] = ()
    """Patterns of untracked files, such as `.env`, that a new worktree gets copies of."""
    directory: str = ""
    """Where in the repository agents and scripts work; empty: at its top."""
    wip_limit: int | None = None
    """How many of its tasks may be in progress; further ones wait."""
    auto_pull_request: bool = False
    """Open a pull request when an attempt's turn has ended well."""
    reviewers: tuple[str, ...] = ()
    """Of its pull requests."""
    open_issue: bool = False
    """Open an issue where its repository is hosted, for each task that is begun."""
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
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    """Tasks to be done before it."""
    images: tuple[str, ...] = ()
    """Ids of those that belong to it."""
    agent: str | None = None
    """`EXECUTOR[:VARIANT]`: begun with it as soon as its dependencies and the limit of its
    project allow."""
    base_branch: str | None = None
    """What it is begun from then; default: the branch checked out in the repository."""
    issue_url: str | None = None
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
    """Absolute; its directory may have been given up since."""
    state: Literal["creating", "ready", "removing"] = "creating"
    """Only of what is `ready` all exists; what a crash leaves otherwise is cleared away."""
    request_key: str | None = None
    """The caller's idempotency key."""
    with_task: bool = False
    """Its task was written down with it, and goes with it if it cannot be started."""
    created_at: float
    updated_at: float


class Started(Struct, frozen=True, kw_only=True):
    """An attempt under way, or the one that an idempotency key has started before."""

    task: Task
    attempt: Attempt
    repeated: bool = False


class Listed(Struct, frozen=True, kw_only=True):
    """An attempt of a list."""

    attempt: Attempt
    project_id: str
    status: str | None
    """Of its run; None: it is gone."""
    reason: str | None
    """Why the run did not succeed."""
    finished_at: float | None


class Draft(Struct, frozen=True, kw_only=True):
    """What an attempt's agent is to be told next (`follow_up`), or instead of what it was told
    in an earlier turn (`retry`)."""

    draft_id: str
    """`ATTEMPT_ID/KIND`: there is one of each."""
    attempt_id: str
    kind: DraftKind = "follow_up"
    prompt: str
    variant: str | None = None
    images: tuple[str, ...] = ()
    retry_turn: int | None = None
    """Of a retry: the turn it takes the place of."""
    queued: bool = False
    """Sent as soon as the agent is idle."""
    version: int = 1
    """Grows with every change."""
    updated_at: float


class Merge(Struct, frozen=True, kw_only=True):
    """An attempt's work that went into its target branch here."""

    merge_id: str
    attempt_id: str
    target_branch: str
    merge_commit: str
    created_at: float


class PullRequest(Struct, frozen=True, kw_only=True):
    """An attempt's work, proposed where its repository is hosted."""

    pull_request_id: str
    attempt_id: str
    number: int
    url: str
    title: str
    status: Literal["open", "merged", "closed"]
    target_branch: str
    merged_at: float | None = None
    merge_commit: str | None = None
    seen: str = ""
    """How far its review comments have been taken up."""
    created_at: float
    updated_at: float


class Refreshed(Struct, frozen=True, kw_only=True):
    """What the host says now."""

    pull_request: PullRequest
    new_comments: list[Comment]
    """By people who may write to the repository; the agent was told of them, if it was to be."""
    untrusted: int
    """New comments by others. The agent is not told: anybody may write them."""
    started: bool | None = None
    """The agent is at work on the comments; False: they wait for the end of its turn; None: it
    was not told."""


class Asked(Struct, frozen=True, kw_only=True):
    """A request for approval that nobody has answered."""

    attempt_id: str
    task_id: str
    project_id: str
    turn: int
    asked_at: float
    approval: Approval


class Image(Struct, frozen=True, kw_only=True):
    """A picture that belongs to tasks or prompts; the file is kept beside the journal."""

    image_id: str
    original_name: str
    mime_type: str
    size_bytes: int
    hash: str
    """SHA-256 of the file, in hexadecimal."""
    created_at: float
    updated_at: float


class Tag(Struct, frozen=True, kw_only=True):
    """A text that people put into prompts by its name."""

    tag_id: str
    tag_name: str
    content: str
    created_at: float
    updated_at: float


class Template(Struct, frozen=True, kw_only=True):
    """What tasks of a kind begin with, in one project or in all."""

    template_id: str
    project_id: str | None = None
    template_name: str
    title: str
    description: str | None = None
    created_at: float
    updated_at: float


class Document(Struct, frozen=True):
    """Settings of a door, as JSON."""

    name: str
    content: str


class Replaced(Struct, frozen=True, kw_only=True):
    """What became of the turns that another one takes the place of."""

    turn: int
    """The one that was begun instead."""
    deleted_count: int
    """Runs of the agent and of the clean-up script that are dropped."""
    git_reset_needed: bool
    """The worktree was not as it was before them."""
    git_reset_applied: bool
    target_before_oid: str | None
    """The commit that was checked out then."""
