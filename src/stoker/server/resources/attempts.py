"""Attempts: agents at work on tasks, what they say and do, and what becomes of it."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import WebSocket, delete, get, post, websocket
from litestar.openapi.spec import Example
from litestar.params import Body, FromQuery, HeaderParameter, JSONBody, PathParameter
from litestar.response import Response
from msgspec import Meta, Struct, json

from stoker.agents.inbox import Interrupt, Reply
from stoker.server.document import streams
from stoker.server.params import App, Name
from stoker.server.resources.tasks import LongText, Text
from stoker.server.streams import send as send_frames
from stoker.server.streams import sse
from stoker.tasks.following import follow
from stoker.tasks.model import Attempt, Draft
from stoker.tasks.plan import Role, role
from stoker.tasks.starter import Started
from stoker.workspace.errors import printable
from stoker.workspace.model import BranchStatus, Change, FileDiff, Merged


class Agent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to work, and from where."""

    executor: Text
    """Of the profiles, such as `CODEX`."""
    variant: Text | None = None
    base_branch: Text | None = None
    """Default: the one checked out in the repository."""


class AttemptRequest(Agent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task to write down and to begin at once."""

    project_id: Text
    title: Text
    description: LongText | None = None


class FollowUpRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to tell an agent next."""

    prompt: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    variant: Text | None = None


class Told(Struct, frozen=True):
    """What became of a follow-up."""

    started: bool
    """False: it waits for the end of the turn under way."""


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to an agent's request for approval."""

    allowed: bool
    always: bool = False
    """Also for all that are like it, where the agent offers that."""
    reason: LongText = ""


class StepView(Struct, frozen=True, kw_only=True):
    """A step of an attempt's run."""

    step: str
    role: Role
    turn: int
    status: str
    reason: str | None
    started_at: float | None


class AttemptView(Struct, frozen=True, kw_only=True):
    """An attempt and how its run stands."""

    attempt: Attempt
    status: str
    """Of the run."""
    steps: list[StepView]
    queued: Draft | None


class ChangeView(Struct, frozen=True, kw_only=True):
    """A file that an attempt has changed."""

    change: Change
    old_path: str | None
    new_path: str | None
    additions: int | None
    """None: it is no text."""
    deletions: int | None
    old_content: str | None
    new_content: str | None
    content_omitted: bool


class Changes(Struct, frozen=True):
    """What an attempt has changed."""

    changes: list[ChangeView]


Key = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", min_length=1, max_length=255, required=False),
]
Turn = Annotated[int, PathParameter(ge=1, le=100_000)]


@post(
    "/v1/attempts",
    tags=["attempts"],
    summary="Write a task down and have an agent begin with it",
    description="When this answers, the branch and the worktree exist and the first process runs; "
    "or an error says why, and nothing is left. With an `Idempotency-Key` the request may be "
    "sent again.",
)
async def create_and_start(
    service: App,
    data: Annotated[
        AttemptRequest,
        Body(
            examples=[
                Example(
                    "codex",
                    value={"project_id": "…", "title": "Fix the build", "executor": "CODEX"},
                )
            ]
        ),
    ],
    key: Key = None,
) -> Started:
    return await service.tasks.starter.create_and_start(
        data.project_id,
        data.title,
        data.description,
        executor=data.executor,
        variant=data.variant,
        base_branch=data.base_branch,
        request_key=key,
    )


@post("/v1/tasks/{task_id:str}/attempts", tags=["attempts"], summary="Another try at a task")
async def start(service: App, task_id: Name, data: JSONBody[Agent], key: Key = None) -> Started:
    return await service.tasks.starter.start(
        task_id,
        executor=data.executor,
        variant=data.variant,
        base_branch=data.base_branch,
        request_key=key,
    )


@get("/v1/attempts/{attempt_id:str}", tags=["attempts"], summary="An attempt and its turns")
async def show(service: App, attempt_id: Name) -> AttemptView:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    state = await service.tasks.progress.state(attempt)
    steps = []
    for step in state.steps:
        if found := role(step.step.id):
            steps.append(
                StepView(
                    step=step.step.id,
                    role=found[0],
                    turn=found[1],
                    status=step.status,
                    reason=step.reason,
                    started_at=step.first_started,
                )
            )
    queued = await service.tasks.turns.draft(attempt_id)
    return AttemptView(attempt=attempt, status=state.status, steps=steps, queued=queued)


@post(
    "/v1/attempts/{attempt_id:str}/follow-up",
    tags=["attempts"],
    status_code=202,
    summary="Tell the agent more",
)
async def follow_up(service: App, attempt_id: Name, data: JSONBody[FollowUpRequest]) -> Told:
    return Told(await service.tasks.turns.follow_up(attempt_id, data.prompt, variant=data.variant))


@delete(
    "/v1/attempts/{attempt_id:str}/follow-up",
    tags=["attempts"],
    summary="Take back what waits for the end of the turn",
)
async def unqueue(service: App, attempt_id: Name) -> None:
    await service.tasks.catalog.attempt(attempt_id)
    await service.tasks.turns.remove_draft(attempt_id)


@post(
    "/v1/attempts/{attempt_id:str}/stop",
    tags=["attempts"],
    status_code=204,
    summary="End the turn; what the agent has done is kept",
)
async def stop(service: App, attempt_id: Name) -> None:
    await service.tasks.turns.stop(attempt_id)


@post(
    "/v1/attempts/{attempt_id:str}/turns/{turn:int}/interrupt",
    tags=["attempts"],
    status_code=202,
    summary="Ask the agent to end its turn by itself",
)
async def interrupt(service: App, attempt_id: Name, turn: Turn) -> None:
    await service.tasks.turns.tell(attempt_id, turn, Interrupt(by="http"))


@post(
    "/v1/attempts/{attempt_id:str}/turns/{turn:int}/approvals/{approval:str}",
    tags=["attempts"],
    status_code=202,
    summary="Answer an agent's request for approval",
    description="One that is not pending is ignored; the turn's stream says what was answered.",
)
async def answer(
    service: App, attempt_id: Name, turn: Turn, approval: Name, data: JSONBody[Answer]
) -> None:
    said = Reply(
        approval=approval,
        allowed=data.allowed,
        always=data.always,
        reason=data.reason,
        by="http",
    )
    await service.tasks.turns.tell(attempt_id, turn, said)


@get(
    "/v1/attempts/{attempt_id:str}/turns/{turn:int}/stream",
    tags=["attempts"],
    summary="What the agent says and does, from the beginning and live",
    description="Server-sent events, each an entry as it is now (`{index, time, content}`): one "
    "with an index that came before takes that one's place. Ends with the turn. `/ws` is the same "
    "over a WebSocket.",
)
async def stream(service: App, attempt_id: Name, turn: Turn) -> Response[None]:
    entries = await follow(service.tasks, attempt_id, turn)
    items = ([(str(one.index), "", one)] async for one in entries)
    return sse(items, service)  # type: ignore[return-value]


@websocket("/v1/attempts/{attempt_id:str}/turns/{turn:int}/stream/ws")
async def stream_socket(
    socket: WebSocket[Any, Any, Any], service: App, attempt_id: Name, turn: Turn
) -> None:
    entries = await follow(service.tasks, attempt_id, turn)
    await send_frames(socket, ([json.encode(one).decode()] async for one in entries), service)


@get(
    "/v1/attempts/{attempt_id:str}/changes",
    tags=["attempts"],
    summary="What an attempt has changed, committed or not",
)
async def changes(service: App, attempt_id: Name, contents: FromQuery[bool] = True) -> Changes:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    found = await service.tasks.work.changes(attempt, contents=contents)
    return Changes([_change(one) for one in found])


def _change(diff: FileDiff) -> ChangeView:
    return ChangeView(
        change=diff.change,
        old_path=None if diff.old_path is None else printable(diff.old_path),
        new_path=None if diff.new_path is None else printable(diff.new_path),
        additions=diff.additions,
        deletions=diff.deletions,
        old_content=diff.old_content,
        new_content=diff.new_content,
        content_omitted=diff.content_omitted,
    )


@get(
    "/v1/attempts/{attempt_id:str}/branch-status",
    tags=["attempts"],
    summary="How an attempt's branch stands to its target and its remote",
)
async def branch_status(service: App, attempt_id: Name) -> BranchStatus:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    return await service.tasks.work.branch_status(attempt)


@post(
    "/v1/attempts/{attempt_id:str}/merge",
    tags=["attempts"],
    status_code=200,
    summary="Squash an attempt's work into its target branch",
)
async def merge(service: App, attempt_id: Name) -> Merged:
    return await service.tasks.work.merge(attempt_id)


@delete(
    "/v1/attempts/{attempt_id:str}/worktree",
    tags=["attempts"],
    summary="Give an attempt's worktree up; its branch stays",
)
async def remove_worktree(service: App, attempt_id: Name) -> None:
    await service.tasks.work.remove_worktree(attempt_id)


def document(paths: dict[str, Any]) -> None:
    """See `stoker.server.resources`."""
    streams(paths["/v1/attempts/{attempt_id}/turns/{turn}/stream"]["get"])


ROUTES: list[Any] = [
    create_and_start,
    start,
    show,
    follow_up,
    unqueue,
    stop,
    interrupt,
    answer,
    stream,
    stream_socket,
    changes,
    branch_status,
    merge,
    remove_worktree,
]
