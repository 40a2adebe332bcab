"""Everything that can be asked of a server, by what it is about. See `stoker.client.operation`."""

from __future__ import annotations

from msgspec import Struct

from stoker.agents.stream import Put
from stoker.chains.group import Batch, ExecutionPlan, GroupReceipt, GroupResult
from stoker.client.operation import (
    C,
    Group,
    feed,
    feed_of_log,
    feed_of_one,
    feed_of_turn,
    nothing,
    on_all,
    on_approval,
    on_log,
    on_one,
    on_part,
    on_turn,
)
from stoker.engine.stats import PlanStats, RunStats
from stoker.engine.view import RunView
from stoker.journal.events import Event, RunStatus
from stoker.tasks.changes import ProjectChange, TaskChange
from stoker.tasks.model import Project, PullRequest, Refreshed, Started, Task
from stoker.wire.attempts import (
    Agent,
    Answer,
    Asking,
    AttemptPage,
    AttemptRequest,
    AttemptView,
    Changes,
    FollowUpRequest,
    Told,
    Transcript,
)
from stoker.wire.chains import ChainPlan, ExtendRequest, NextRequest, PlanRequest
from stoker.wire.library import ImageList
from stoker.wire.plans import PlanSource, Validation
from stoker.wire.pulls import Proposal, PullRequests, PushRequest, RefreshRequest
from stoker.wire.runs import (
    Again,
    Comment,
    Done,
    EventPage,
    Extension,
    LogPart,
    Reason,
    Resolution,
    RunPage,
    RunRequest,
)
from stoker.wire.server import Agents, Health, Info, McpRequest, McpServers, ServerStats
from stoker.wire.tasks import (
    Branches,
    EditorRequest,
    Matches,
    ProjectRequest,
    TaskRequest,
    TaskView,
)
from stoker.wire.tasks import (
    Projects as ProjectList,
)
from stoker.wire.tasks import (
    Tasks as TaskList,
)
from stoker.workspace.model import BranchStatus, Merged
from stoker.workspace.remote import Pushed

NONE = type(None)
BATCH: type[list[GroupReceipt] | Batch] = list[GroupReceipt] | Batch  # type: ignore[assignment]
_LOG = "/v1/runs/{run_id}/steps/{step}/attempts/{number}/logs/{output}"


class RunQuery(Struct, frozen=True, kw_only=True):
    """Which runs."""

    status: list[RunStatus] | None = None
    plan_id: str | None = None
    limit: int = 50
    cursor: str | None = None
    """`next_cursor` of the page before."""


class After(Struct, frozen=True, kw_only=True):
    """Which events."""

    after: int = 0


class EventQuery(After, frozen=True, kw_only=True):
    """Which events, and how many at most."""

    limit: int = 100


class LogQuery(Struct, frozen=True, kw_only=True):
    """From which byte on."""

    offset: int = 0


class ChangesQuery(Struct, frozen=True, kw_only=True):
    """With what is in the files, or without."""

    contents: bool = True


class PageQuery(Struct, frozen=True, kw_only=True):
    """How many, and from where on."""

    limit: int = 500
    cursor: str | None = None
    """`next_cursor` of the page before."""


class AttemptQuery(PageQuery, frozen=True, kw_only=True):
    """Which attempts."""

    project_id: str | None = None
    task_id: str | None = None
    active: bool | None = None


class SearchQuery(Struct, frozen=True, kw_only=True):
    """What names have in them."""

    q: str
    limit: int = 50


class Wait(Struct, frozen=True, kw_only=True):
    """How long to wait for the agent to be at rest, or for the run to be over or ask a person."""

    wait_sec: float = 0


class Runs(Group[C]):
    """Runs of plans."""

    begin = on_all("POST", "/v1/runs", RunRequest, RunView, keyed=True)
    list = on_all("GET", "/v1/runs", RunQuery, RunPage)
    show = on_one("GET", "/v1/runs/{run_id}", Wait, RunView)
    remove = on_one("DELETE", "/v1/runs/{run_id}", nothing, NONE)
    stats = on_one("GET", "/v1/runs/{run_id}/stats", nothing, RunStats)
    event_page = on_one("GET", "/v1/runs/{run_id}/events", EventQuery, EventPage)
    events = feed_of_one("/v1/runs/{run_id}/events", After, Event)
    events_of_all = feed("/v1/events", nothing, Event)
    log = on_log(_LOG, LogQuery)
    follow_log = feed_of_log(_LOG, LogQuery, LogPart)
    cancel = on_one("POST", "/v1/runs/{run_id}/cancel", Reason, Done)
    pause = on_one("POST", "/v1/runs/{run_id}/pause", Reason, Done)
    unpause = on_one("POST", "/v1/runs/{run_id}/unpause", Again, Done)
    next = on_one("POST", "/v1/runs/{run_id}/next", Again, Done)
    resume = on_one("POST", "/v1/runs/{run_id}/resume", Again, Done)
    extend = on_one("POST", "/v1/runs/{run_id}/extend", Extension, Done)
    approve = on_part("POST", "/v1/runs/{run_id}/steps/{step}/approve", Comment, Done)
    reject = on_part("POST", "/v1/runs/{run_id}/steps/{step}/reject", Comment, Done)
    resolve = on_part("POST", "/v1/runs/{run_id}/steps/{step}/resolve", Resolution, Done)


class Plans(Group[C]):
    """Plans, apart from their runs."""

    validate = on_all("POST", "/v1/plans:validate", PlanSource, Validation)
    stats = on_one("GET", "/v1/plans/{plan_id}/stats", nothing, PlanStats)


class Chains(Group[C]):
    """Plans of chain groups."""

    set_execution_plan = on_all("POST", "/v1/chains/plans", PlanRequest, ExecutionPlan)
    show = on_one("GET", "/v1/chains/plans/{plan_id}", nothing, ChainPlan)
    next_groups = on_one("POST", "/v1/chains/plans/{plan_id}/next", NextRequest, BATCH)
    get_results = on_one("GET", "/v1/chains/plans/{plan_id}/results", nothing, list[GroupResult])
    subscribe_results = feed_of_one("/v1/chains/plans/{plan_id}/results", nothing, GroupResult)
    extend_plan = on_one("POST", "/v1/chains/plans/{plan_id}/extend", ExtendRequest, ExecutionPlan)
    cancel = on_one("POST", "/v1/chains/plans/{plan_id}/cancel", Reason, NONE)


class Projects(Group[C]):
    """Repositories that tasks are done in."""

    create = on_all("POST", "/v1/projects", ProjectRequest, Project)
    list = on_all("GET", "/v1/projects", nothing, ProjectList)
    show = on_one("GET", "/v1/projects/{project_id}", nothing, Project)
    change = on_one("PATCH", "/v1/projects/{project_id}", ProjectChange, Project)
    remove = on_one("DELETE", "/v1/projects/{project_id}", nothing, NONE)
    branches = on_one("GET", "/v1/projects/{project_id}/branches", nothing, Branches)
    search = on_one("GET", "/v1/projects/{project_id}/search", SearchQuery, Matches)
    open_editor = on_one("POST", "/v1/projects/{project_id}/open-editor", EditorRequest, NONE)


class Tasks(Group[C]):
    """What is to be done in projects."""

    create = on_one("POST", "/v1/projects/{project_id}/tasks", TaskRequest, Task)
    list = on_one("GET", "/v1/projects/{project_id}/tasks", PageQuery, TaskList)
    show = on_one("GET", "/v1/tasks/{task_id}", nothing, TaskView)
    change = on_one("PATCH", "/v1/tasks/{task_id}", TaskChange, Task)
    remove = on_one("DELETE", "/v1/tasks/{task_id}", nothing, NONE)
    images = on_one("GET", "/v1/tasks/{task_id}/images", nothing, ImageList)
    start = on_one("POST", "/v1/tasks/{task_id}/attempts", Agent, Started, keyed=True)


class Attempts(Group[C]):
    """Agents at work on tasks."""

    create_and_start = on_all("POST", "/v1/attempts", AttemptRequest, Started, keyed=True)
    list = on_all("GET", "/v1/attempts", AttemptQuery, AttemptPage)
    asking = on_all("GET", "/v1/approvals", nothing, Asking)
    show = on_one("GET", "/v1/attempts/{attempt_id}", Wait, AttemptView)
    remove = on_one("DELETE", "/v1/attempts/{attempt_id}", nothing, NONE)
    follow_up = on_one("POST", "/v1/attempts/{attempt_id}/follow-up", FollowUpRequest, Told)
    stop = on_one("POST", "/v1/attempts/{attempt_id}/stop", nothing, NONE)
    transcript = on_turn("GET", "/v1/attempts/{attempt_id}/turns/{turn}", nothing, Transcript)
    stream = feed_of_turn("/v1/attempts/{attempt_id}/turns/{turn}/stream", nothing, Put)
    interrupt = on_turn("POST", "/v1/attempts/{attempt_id}/turns/{turn}/interrupt", nothing, NONE)
    answer = on_approval(
        "POST", "/v1/attempts/{attempt_id}/turns/{turn}/approvals/{approval}", Answer, NONE
    )
    changes = on_one("GET", "/v1/attempts/{attempt_id}/changes", ChangesQuery, Changes)
    patch = on_one("GET", "/v1/attempts/{attempt_id}/patch", nothing, bytes)
    branch_status = on_one("GET", "/v1/attempts/{attempt_id}/branch-status", nothing, BranchStatus)
    merge = on_one("POST", "/v1/attempts/{attempt_id}/merge", nothing, Merged)
    remove_worktree = on_one("DELETE", "/v1/attempts/{attempt_id}/worktree", nothing, NONE)


class Pulls(Group[C]):
    """Attempts where their repository is hosted."""

    push = on_one("POST", "/v1/attempts/{attempt_id}/push", PushRequest, Pushed)
    list = on_one("GET", "/v1/attempts/{attempt_id}/pull-requests", nothing, PullRequests)
    create = on_one("POST", "/v1/attempts/{attempt_id}/pull-requests", Proposal, PullRequest)
    attach = on_one("POST", "/v1/attempts/{attempt_id}/pull-requests/attach", nothing, PullRequest)
    refresh = on_one(
        "POST", "/v1/attempts/{attempt_id}/pull-requests/refresh", RefreshRequest, Refreshed
    )


class Server(Group[C]):
    """The server itself."""

    alive = on_all("GET", "/healthz", nothing, Health)
    ready = on_all("GET", "/readyz", nothing, Health)
    stats = on_all("GET", "/v1/stats", nothing, ServerStats)
    metrics = on_all("GET", "/metrics", nothing, bytes)
    info = on_all("GET", "/v1/info", nothing, Info)
    agents = on_all("GET", "/v1/agents", nothing, Agents)
    mcp_servers = on_one("GET", "/v1/agents/{executor}/mcp-servers", nothing, McpServers)
    set_mcp_servers = on_one("PUT", "/v1/agents/{executor}/mcp-servers", McpRequest, McpServers)
