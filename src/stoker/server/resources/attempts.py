"""Attempts: agents at work on tasks, what they say and do, and what becomes of it."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post, websocket
from litestar.params import FromQuery, JSONBody
from litestar.response import Response
from msgspec import json
from msgspec.structs import asdict, replace

from stoker.agents.inbox import Interrupt, Reply
from stoker.client import api
from stoker.server import paging
from stoker.server.params import (
    App,
    Asked,
    Key,
    LastEvent,
    Name,
    Socket,
    Turn,
    WaitSec,
    sent,
    who,
    whole,
)
from stoker.server.route import route
from stoker.server.streams import each, numbered, sse
from stoker.server.streams import send as send_frames
from stoker.tasks import listing
from stoker.tasks.asking import asked
from stoker.tasks.catalog import TaskChange
from stoker.tasks.following import follow, told
from stoker.tasks.model import Started
from stoker.tasks.plan import dropped, role
from stoker.tasks.starter import Starter
from stoker.tasks.turns import Turns
from stoker.tasks.work import Work
from stoker.wire.attempts import (
    Answer,
    Asking,
    AttemptPage,
    AttemptRequest,
    AttemptView,
    Changes,
    StepView,
    Transcript,
)
from stoker.workspace.errors import printable
from stoker.workspace.model import FileDiff

TAG = "attempts"

ROUTES = (
    route(api.Tasks.start, "Another try at a task", Starter.start, status=201),
    route(api.Attempts.follow_up, "Tell the agent more", Turns.follow_up, status=202),
    route(api.Attempts.stop, "End the turn; what the agent has done is kept", Turns.stop),
    route(
        api.Attempts.patch,
        "The same as a text that `git apply` takes",
        Work.patch,
        of_attempt=True,
        media_type="text/x-diff",
    ),
    route(
        api.Attempts.branch_status,
        "How an attempt's branch stands to its target and its remote",
        Work.branch_status,
        of_attempt=True,
    ),
    route(api.Attempts.merge, "Squash an attempt's work into its target branch", Work.merge),
    route(
        api.Attempts.remove_worktree,
        "Give an attempt's worktree up; its branch stays",
        Work.remove_worktree,
    ),
)


@post(
    "/v1/attempts",
    summary="Write a task down and have an agent begin with it",
    description="When this answers, the branch and the worktree exist and the first process runs; "
    "or an error says why, and nothing is left. With an `Idempotency-Key` the request may be "
    "sent again.",
)
async def create_and_start(
    service: App,
    data: Annotated[
        AttemptRequest, sent("codex", project_id="…", title="Fix the build", executor="CODEX")
    ],
    key: Key = None,
) -> Started:
    return await service.tasks.starter.create_and_start(
        data.project_id,
        data.title,
        data.description,
        TaskChange(
            parent_attempt_id=data.parent_attempt_id, labels=data.labels, images=data.images
        ),
        executor=data.executor,
        variant=data.variant,
        base_branch=data.base_branch,
        request_key=key,
    )


@get(
    "/v1/attempts/{attempt_id:str}",
    summary="An attempt and its turns",
    description="With `wait_sec` it is answered when the turn under way is over and its work is "
    "kept, and after that time at the latest. `busy`: there is another.",
)
async def show(
    service: App,
    attempt_id: Name,
    wait_sec: WaitSec = 0,
) -> AttemptView:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    if wait_sec:
        await service.unless_stopping(service.tasks.turns.over(attempt_id), wait_sec)
    state = await service.tasks.progress.state(attempt)
    steps, gone = [], dropped(state.steps)
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
                    dropped=found[1] in gone,
                )
            )
    queued = await service.tasks.turns.draft(attempt_id)
    return AttemptView(
        attempt=attempt,
        status=state.status,
        busy=service.tasks.turns.busy(attempt_id),
        steps=steps,
        queued=queued,
    )


@post(
    "/v1/attempts/{attempt_id:str}/turns/{turn:int}/interrupt",
    status_code=202,
    summary="Ask the agent to end its turn by itself",
)
async def interrupt(service: App, request: Asked, attempt_id: Name, turn: Turn) -> None:
    await service.tasks.turns.tell(attempt_id, turn, Interrupt(by=who(request)))


@post(
    "/v1/attempts/{attempt_id:str}/turns/{turn:int}/approvals/{approval:str}",
    status_code=202,
    summary="Answer an agent's request for approval",
    description="One that is not pending is ignored; the turn's stream says what was answered.",
)
async def answer(
    service: App,
    request: Asked,
    attempt_id: Name,
    turn: Turn,
    approval: Name,
    data: JSONBody[Answer],
) -> None:
    said = Reply(approval=approval, by=who(request), **asdict(data))
    await service.tasks.turns.tell(attempt_id, turn, said)


@get(
    "/v1/attempts/{attempt_id:str}/turns/{turn:int}",
    summary="What the agent has said and done so far",
)
async def transcript(service: App, attempt_id: Name, turn: Turn) -> Transcript:
    return Transcript(await told(service.tasks, attempt_id, turn))


@get(
    "/v1/attempts/{attempt_id:str}/turns/{turn:int}/stream",
    summary="What the agent says and does, from the beginning and live",
    description="Server-sent events, each an entry as it is now (`{index, time, content}`): one "
    "with an index that came before takes that one's place. Ends with the turn. Goes on behind "
    "`Last-Event-ID`. `/ws` is the same over a WebSocket.",
)
async def stream(
    service: App, attempt_id: Name, turn: Turn, last_event: LastEvent = None
) -> Response[None]:
    entries = await follow(service.tasks, attempt_id, turn, watch=service.watch)
    return sse(numbered(entries, whole(last_event)), service)  # type: ignore[return-value]


@websocket("/v1/attempts/{attempt_id:str}/turns/{turn:int}/stream/ws")
async def stream_socket(socket: Socket, service: App, attempt_id: Name, turn: Turn) -> None:
    entries = await follow(service.tasks, attempt_id, turn, watch=service.watch)
    frames = each(entries, lambda one: [json.encode(one).decode()])
    await send_frames(socket, frames, service)


@get(
    "/v1/attempts/{attempt_id:str}/changes", summary="What an attempt has changed, committed or not"
)
async def changes(service: App, attempt_id: Name, contents: FromQuery[bool] = True) -> Changes:
    attempt = await service.tasks.catalog.attempt(attempt_id)
    found = await service.tasks.work.changes(attempt, contents=contents)
    return Changes([_change(one) for one in found])


def _change(diff: FileDiff) -> FileDiff:
    old, new = (path and printable(path) for path in (diff.old_path, diff.new_path))
    return replace(diff, old_path=old, new_path=new)


@get("/v1/attempts", summary="Attempts, newest first")
async def listed(
    service: App,
    project_id: FromQuery[str | None] = None,
    task_id: FromQuery[str | None] = None,
    active: FromQuery[bool | None] = None,
    limit: paging.Limit = 100,
    cursor: FromQuery[str | None] = None,
    known: paging.Known = None,
) -> Response[AttemptPage]:
    found = await listing.attempts(
        service.engine,
        project_id=project_id,
        task_id=task_id,
        active=active,
        limit=limit + 1,
        before=paging.read_cursor(cursor),
    )
    last = found[limit - 1].attempt if len(found) > limit else None
    page = AttemptPage(
        attempts=found[:limit],
        next_cursor=None if last is None else paging.cursor(last.created_at, last.attempt_id),
    )
    return paging.tagged(page, known)


@get("/v1/approvals", summary="What agents wait to be allowed")
async def approvals(service: App) -> Asking:
    return Asking(await asked(service.tasks))
