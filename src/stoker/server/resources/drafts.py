"""What agents are to be told next, or in the place of what they were told."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec.structs import asdict

from stoker.server.params import App, Name, Turn, sent
from stoker.server.problems import not_found
from stoker.tasks.model import Draft, DraftKind, Replaced
from stoker.wire.attempts import DraftRequest, QueueRequest, ReplaceRequest

TAG = "drafts"

_ONE = "/v1/attempts/{attempt_id:str}/drafts/{kind:str}"


@get(_ONE, summary="What is written down for an agent")
async def show(service: App, attempt_id: Name, kind: FromPath[DraftKind]) -> Draft:
    await service.tasks.catalog.attempt(attempt_id)
    found = await service.tasks.turns.draft(attempt_id, kind)
    if found is None:
        raise not_found("nothing is written down")
    return found


@put(
    _ONE,
    summary="Write down what an agent is to be told, or change it",
    description="`follow_up`: next; `retry`: in the place of a turn. With `expected_version`, 409 "
    "if somebody else was faster.",
)
async def save(
    service: App,
    attempt_id: Name,
    kind: FromPath[DraftKind],
    data: Annotated[DraftRequest, sent("one", prompt="Also add a test", expected_version=0)],
) -> Draft:
    return await service.tasks.turns.save_draft(attempt_id, kind, **asdict(data))


@delete(_ONE, summary="Take back what is written down")
async def remove(service: App, attempt_id: Name, kind: FromPath[DraftKind]) -> None:
    await service.tasks.catalog.attempt(attempt_id)
    await service.tasks.turns.remove_draft(attempt_id, kind)


@post(
    "/v1/attempts/{attempt_id:str}/queue",
    status_code=200,
    summary="Have it sent as soon as the agent is idle, at once if it is, or not",
)
async def queue(service: App, attempt_id: Name, data: JSONBody[QueueRequest]) -> Draft:
    return await service.tasks.turns.queue_draft(attempt_id, **asdict(data))


@post(
    "/v1/attempts/{attempt_id:str}/turns/{turn:int}/replace",
    status_code=200,
    summary="Begin another turn in the place of this and all later ones",
    description="What runs is stopped, the worktree goes back to before the turn, and what is "
    "given up is backed up.",
)
async def replace(
    service: App, attempt_id: Name, turn: Turn, data: JSONBody[ReplaceRequest]
) -> Replaced:
    return await service.tasks.turns.replace(attempt_id, turn, **asdict(data))
