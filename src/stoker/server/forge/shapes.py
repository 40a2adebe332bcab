"""What goes over the wire: `docs/reference/forge-api.md` says which fields are whose. Times are
ISO 8601 in UTC with milliseconds, so that they sort as text."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

ProcessStatus = Literal["running", "completed", "failed", "killed"]
RunReason = Literal["setupscript", "codingagent", "cleanupscript", "devserver"]


class Wire(Struct, frozen=True, kw_only=True):
    """Base of all of them."""


class ProfileId(Wire, frozen=True):
    """An agent, and one way of using it."""

    executor: str
    variant: str | None = None


class Project(Wire, frozen=True):
    """A repository."""

    id: str
    name: str
    git_repo_path: str
    setup_script: str | None
    dev_script: str | None
    cleanup_script: str | None
    copy_files: str | None
    """Patterns between commas."""
    created_at: str
    updated_at: str


class Task(Wire, frozen=True):
    """Something to be done."""

    id: str
    project_id: str
    title: str
    description: str | None
    status: str
    parent_task_attempt: str | None
    dev_server_id: str | None
    created_at: str
    updated_at: str


class TaskWithStatus(Task, frozen=True):
    """A task, and how its attempts stand."""

    has_in_progress_attempt: bool
    has_merged_attempt: bool
    last_attempt_failed: bool
    executor: str
    """Of the newest attempt, `EXECUTOR:VARIANT`; empty without one."""
    attempt_count: int
    executor_profile_id: ProfileId | None
    """The same in two parts."""


class Process(Wire, frozen=True):
    """A script or a turn of an agent."""

    id: str
    task_attempt_id: str
    run_reason: RunReason
    executor_action: dict[str, Any]
    before_head_commit: str | None
    after_head_commit: str | None
    status: ProcessStatus
    exit_code: int | None
    dropped: bool
    started_at: str
    completed_at: str | None
    created_at: str
    updated_at: str


class ProcessWithOutput(Process, frozen=True):
    """A process, and what it has said."""

    output: str


class Attempt(Wire, frozen=True):
    """One try at a task."""

    id: str
    task_id: str
    container_ref: str | None
    branch: str
    target_branch: str
    executor: str
    worktree_deleted: bool
    setup_completed_at: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_creation_tokens: int | None
    cache_read_tokens: int | None
    created_at: str
    updated_at: str
    status: ProcessStatus
    project_id: str
    title: str
    description: str | None
    executor_profile_id: ProfileId


class AttemptWithProcesses(Attempt, frozen=True):
    """An attempt, and its processes, oldest first."""

    execution_processes: list[Process]


class Started(TaskWithStatus, frozen=True):
    """A task that was begun, and its attempt in every place where callers look for it."""

    task: Task
    task_attempt: Attempt
    attempts: list[Attempt]


class Branch(Wire, frozen=True):
    """A branch of a repository."""

    name: str
    is_current: bool
    is_remote: bool
    last_commit_date: str


class BranchStatus(Wire, frozen=True):
    """How an attempt's branch stands."""

    commits_behind: int | None
    commits_ahead: int | None
    has_uncommitted_changes: bool | None
    head_oid: str | None
    uncommitted_count: int | None
    untracked_count: int | None
    target_branch_name: str
    remote_commits_behind: int | None
    remote_commits_ahead: int | None
    merges: list[dict[str, Any]]
    is_rebase_in_progress: bool
    conflict_op: str | None
    conflicted_files: list[str]


class Draft(Wire, frozen=True):
    """What is written down for an agent."""

    task_attempt_id: str
    draft_type: Literal["follow_up", "retry"]
    retry_process_id: str | None
    prompt: str
    queued: bool
    variant: str | None
    image_ids: list[str] | None
    version: int


class DraftRow(Draft, frozen=True):
    """The same in streams."""

    id: str
    sending: bool
    created_at: str
    updated_at: str


class Image(Wire, frozen=True):
    """A picture."""

    id: str
    file_path: str
    original_name: str
    mime_type: str | None
    size_bytes: int
    hash: str
    created_at: str
    updated_at: str


class Template(Wire, frozen=True):
    """What a task begins with."""

    id: str
    project_id: str | None
    title: str
    description: str | None
    template_name: str
    created_at: str
    updated_at: str


class Tag(Wire, frozen=True):
    """A text with a name."""

    id: str
    tag_name: str
    content: str
    created_at: str
    updated_at: str


class Entry(Wire, frozen=True):
    """A file or directory of the server's machine."""

    name: str
    path: str
    is_directory: bool
    is_git_repo: bool
    last_modified: int | None
    """Seconds since the Unix epoch."""


class ForgeAgent(Wire, frozen=True):
    """A standing agent of a project."""

    id: str
    project_id: str
    agent_type: str
    task_id: str
    created_at: str
    updated_at: str


class Notifications(Wire, frozen=True):
    """Part of `Config`."""

    sound_enabled: bool = True
    push_enabled: bool = True
    sound_file: str = "ABSTRACT_SOUND4"


class Editor(Wire, frozen=True):
    """Part of `Config`."""

    editor_type: str = "VS_CODE"
    custom_command: str | None = None
    remote_ssh_host: str | None = None
    remote_ssh_user: str | None = None


class GitHub(Wire, frozen=True):
    """Part of `Config`."""

    pat: str | None = None
    oauth_token: str | None = None
    username: str | None = None
    primary_email: str | None = None
    default_pr_base: str | None = "main"


class Showcases(Wire, frozen=True):
    """Part of `Config`."""

    seen_features: list[str] = field(default_factory=list)


class Config(Wire, frozen=True):
    """Version 7. What is missing when it is sent has its default."""

    config_version: Literal["v7"] = "v7"
    theme: str = "SYSTEM"
    executor_profile: ProfileId = ProfileId(executor="CLAUDE_CODE")
    disclaimer_acknowledged: bool = False
    onboarding_acknowledged: bool = False
    github_login_acknowledged: bool = False
    telemetry_acknowledged: bool = False
    notifications: Notifications = Notifications()
    editor: Editor = Editor()
    github: GitHub = GitHub()
    analytics_enabled: bool | None = None
    workspace_dir: str | None = None
    last_app_version: str | None = None
    show_release_notes: bool = False
    language: str = "BROWSER"
    git_branch_prefix: str = "forge"
    showcases: Showcases = field(default_factory=Showcases)
