"""What the contract says goes over the wire: strict, and written down apart from the server's own
structures. `?` of a type: it may be null; a field that is there beside these is an error."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

TEXT = {"s": str, "s?": str | None, "i": int, "i?": int | None, "b": bool, "b?": bool | None}
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


def struct(name: str, base: type | None = None, /, **fields: Any) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        name,
        [
            (field, TEXT.get(kind, kind) if isinstance(kind, str) else kind)
            for field, kind in fields.items()
        ],
        bases=(base,) if base else None,
        forbid_unknown_fields=True,
    )


Time = Annotated[str, msgspec.Meta(pattern=TIME)]
OptionalTime = Time | None
Status = Literal["running", "completed", "failed", "killed"]
times = {"created_at": Time, "updated_at": Time}

ProfileId = struct("ProfileId", executor="s", variant="s?")
Project = struct(
    "Project",
    **dict.fromkeys(("id", "name", "git_repo_path"), "s"),
    **dict.fromkeys(("setup_script", "dev_script", "cleanup_script", "copy_files"), "s?"),
    **times,
)
Branch = struct("Branch", name="s", is_current="b", is_remote="b", last_commit_date=Time)
Match = struct(
    "Match", path="s", is_file="b", match_type=Literal["FileName", "DirectoryName", "FullPath"]
)
Task = struct(
    "Task",
    **dict.fromkeys(("id", "project_id", "title"), "s"),
    description="s?",
    status=Literal["todo", "inprogress", "inreview", "done", "cancelled", "agent"],
    parent_task_attempt="s?",
    dev_server_id="s?",
    **times,
)
TaskWithStatus = struct(
    "TaskWithStatus",
    Task,
    **dict.fromkeys(("has_in_progress_attempt", "has_merged_attempt", "last_attempt_failed"), "b"),
    executor="s",
    attempt_count="i",
    executor_profile_id=ProfileId | None,
)
Attempt = struct(
    "Attempt",
    id="s",
    task_id="s",
    container_ref="s?",
    **dict.fromkeys(("branch", "target_branch", "executor"), "s"),
    worktree_deleted="b",
    setup_completed_at=OptionalTime,
    **{f"{kind}_tokens": "i?" for kind in ("input", "output", "cache_creation", "cache_read")},
    **times,
    status=Literal["running", "completed", "failed"],
    project_id="s",
    title="s",
    description="s?",
    executor_profile_id=ProfileId,
)
Started = struct("Started", TaskWithStatus, task=Task, task_attempt=Attempt, attempts=list[Attempt])
Action = struct("Action", typ=dict[str, Any], next_action=dict[str, Any] | None)
Process = struct(
    "Process",
    id="s",
    task_attempt_id="s",
    run_reason=Literal["setupscript", "codingagent", "cleanupscript", "devserver"],
    executor_action=Action,
    before_head_commit="s?",
    after_head_commit="s?",
    status=Status,
    exit_code="i?",
    dropped="b",
    started_at=Time,
    completed_at=OptionalTime,
    **times,
)
ProcessWithOutput = struct("ProcessWithOutput", Process, output="s")
WholeAttempt = struct("WholeAttempt", Attempt, execution_processes=list[Process])
Replaced = struct(
    "Replaced",
    deleted_count="i",
    git_reset_needed="b",
    git_reset_applied="b",
    target_before_oid="s?",
    new_execution_id="s?",
)
BranchStatus = struct(
    "BranchStatus",
    **dict.fromkeys(("commits_behind", "commits_ahead"), "i?"),
    has_uncommitted_changes="b?",
    head_oid="s?",
    **dict.fromkeys(("uncommitted_count", "untracked_count"), "i?"),
    target_branch_name="s",
    **dict.fromkeys(("remote_commits_behind", "remote_commits_ahead"), "i?"),
    merges=list[dict[str, Any]],
    is_rebase_in_progress="b",
    conflict_op=Literal["rebase", "merge", "cherry_pick", "revert"] | None,
    conflicted_files=list[str],
)
Target = struct("Target", new_target_branch="s", status=tuple[int, int])
CommitInfo = struct("CommitInfo", sha="s", subject="s")
Comparison = struct(
    "Comparison",
    head_oid="s",
    target_oid="s",
    ahead_from_head="i",
    behind_from_head="i",
    is_linear="b",
)
Children = struct("Children", parent_task=Task | None, current_attempt=Attempt, children=list[Task])
Draft = struct(
    "Draft",
    task_attempt_id="s",
    draft_type=Literal["follow_up", "retry"],
    retry_process_id="s?",
    prompt="s",
    queued="b",
    variant="s?",
    image_ids=list[str] | None,
    version="i",
)
Template = struct(
    "Template", id="s", project_id="s?", title="s", description="s?", template_name="s", **times
)
Tag = struct("Tag", id="s", tag_name="s", content="s", **times)
Image = struct(
    "Image",
    **dict.fromkeys(("id", "file_path", "original_name"), "s"),
    mime_type="s?",
    size_bytes="i",
    hash="s",
    **times,
)
Asked = struct(
    "Asked",
    **dict.fromkeys(("id", "tool_name"), "s"),
    tool_input=Any,
    session_id="s",
    execution_process_id="s",
    created_at=Time,
    timeout_at=Time,
)
Pending = struct(
    "Pending",
    **dict.fromkeys(("approval_id", "execution_process_id", "tool_name"), "s"),
    requested_at=Time,
    timeout_at=Time,
)
Container = struct("Container", attempt_id="s", task_id="s", project_id="s")
Entry = struct("Entry", name="s", path="s", is_directory="b", is_git_repo="b", last_modified="i?")
Listing = struct("Listing", entries=list[Entry], current_path="s")
ForgeAgent = struct("ForgeAgent", id="s", project_id="s", agent_type="s", task_id="s", **times)
Config = struct(
    "Config",
    config_version=Literal["v7"],
    theme="s",
    executor_profile=ProfileId,
    **{
        f"{what}_acknowledged": "b"
        for what in ("disclaimer", "onboarding", "github_login", "telemetry")
    },
    notifications=struct("Sounds", sound_enabled="b", push_enabled="b", sound_file="s"),
    editor=struct(
        "Editor",
        editor_type="s",
        **dict.fromkeys(("custom_command", "remote_ssh_host", "remote_ssh_user"), "s?"),
    ),
    github=struct(
        "GitHub",
        **dict.fromkeys(("pat", "oauth_token", "username", "primary_email"), "s?"),
        default_pr_base="s?",
    ),
    analytics_enabled="b?",
    workspace_dir="s?",
    last_app_version="s?",
    show_release_notes="b",
    language="s",
    git_branch_prefix="s",
    showcases=struct("Showcases", seen_features=list[str]),
)
Executors = dict[str, dict[str, dict[str, dict[str, Any]]]]
Info = struct(
    "Info",
    config=Config,
    analytics_user_id="s",
    environment=struct(
        "Machine", **dict.fromkeys(("os_type", "os_version", "os_architecture", "bitness"), "s")
    ),
    capabilities=dict[str, list[str]],
    executors=Executors,
)
Profiles = struct("Profiles", content="s", path="s")
Mcp = struct(
    "Mcp",
    mcp_config=struct(
        "McpConfig",
        servers=dict[str, Any],
        servers_path=list[str],
        template=Any,
        preconfigured=Any,
        is_toml_config="b",
    ),
    config_path="s",
)


def read(data: Any, shape: Any) -> Any:
    """The data, if it has that shape."""
    msgspec.convert(data, shape)
    return data
