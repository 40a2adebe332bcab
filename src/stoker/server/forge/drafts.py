"""Drafts: what an attempt's agent is to be told next, or should have been told."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import route
from litestar.params import QueryParameter
from msgspec import UNSET, Struct, UnsetType

from stoker.engine.view import iso
from stoker.server.forge import find
from stoker.server.forge.envelope import Envelope, Unreadable, delete, get, ok, post, read
from stoker.server.params import App, Asked, Name
from stoker.server.service import Service
from stoker.tasks.errors import Conflict
from stoker.tasks.model import Attempt, Draft, DraftKind

Kind = Annotated[DraftKind, QueryParameter(name="type")]
_ONE = "/api/task-attempts/{attempt_id:str}/draft"


class Save(Struct, frozen=True, kw_only=True):
    """What to write down; what is missing stays, a variant that is null is none."""

    prompt: str | None = None
    variant: str | UnsetType | None = UNSET
    image_ids: list[str] | None = None
    version: int | None = None
    retry_process_id: str | None = None


class Queue(Struct, frozen=True, kw_only=True):
    """Whether to send it as soon as the agent is idle, and what the caller takes it to be."""

    queued: bool
    expected_queued: bool | None = None
    expected_version: int | None = None


async def rows(service: Service, attempt_id: str) -> dict[str, Any] | None:
    """Both drafts of an attempt; None if there is none."""
    found: dict[str, Draft | None] = {
        kind: await service.tasks.turns.draft(attempt_id, kind) for kind in ("follow_up", "retry")
    }
    if not any(found.values()):
        return None
    attempt = await service.tasks.catalog.attempt(attempt_id)
    shown = {
        kind: {**await _fields(service, attempt, one), **_times(one.draft_id, one.updated_at)}
        for kind, one in found.items()
        if one is not None
    }
    return {"follow_up": nothing(attempt_id), "retry": None, **shown}


def nothing(attempt_id: str) -> dict[str, Any]:
    """A draft that nobody has written."""
    return {**_nothing(attempt_id, "follow_up"), **_times(f"{attempt_id}/", 0.0)}


def _nothing(attempt_id: str, kind: DraftKind) -> dict[str, Any]:
    return {
        "task_attempt_id": attempt_id,
        "draft_type": kind,
        "retry_process_id": None,
        "prompt": "",
        "queued": False,
        "variant": None,
        "image_ids": None,
        "version": 0,
    }


def _times(key: str, time: float) -> dict[str, Any]:
    return {"id": key, "sending": False, "created_at": iso(time), "updated_at": iso(time)}


async def _fields(service: Service, attempt: Attempt, draft: Draft) -> dict[str, Any]:
    retried = None
    if draft.retry_turn is not None:
        turn = (one for one in await find.processes(service, attempt) if one.role == "agent")
        retried = next((one.id for one in turn if one.turn == draft.retry_turn), None)
    return {
        **_nothing(attempt.attempt_id, draft.kind),
        "retry_process_id": retried,
        "prompt": draft.prompt,
        "queued": draft.queued,
        "variant": draft.variant,
        "image_ids": list(draft.images) or None,
        "version": draft.version,
    }


@get(_ONE)
async def show(service: App, attempt_id: Name, kind: Kind) -> Envelope:
    record = await find.attempt(service, attempt_id)
    draft = await service.tasks.turns.draft(record.attempt_id, kind)
    if draft is None:
        return ok(_nothing(record.attempt_id, kind))
    return ok(await _fields(service, record, draft))


@route(_ONE, http_method=["PUT", "POST"], status_code=200, include_in_schema=False)
async def save(service: App, request: Asked, attempt_id: Name, kind: Kind) -> Envelope:
    body = await read(request, Save)
    record = await find.attempt(service, attempt_id)
    before = await service.tasks.turns.draft(record.attempt_id, kind)
    if before is not None and before.queued:
        raise Conflict("Draft is queued; click Edit to unqueue before editing")
    retried = None
    if body.retry_process_id is not None:
        retried = (await find.process(service, body.retry_process_id)).turn
    elif kind == "retry" and before is None:
        raise Unreadable(422, "Failed to deserialize the JSON body: no `retry_process_id`")
    draft = await service.tasks.turns.save_draft(
        record.attempt_id,
        kind,
        prompt=body.prompt,
        variant=body.variant,
        images=body.image_ids,
        retry_turn=retried,
        expected_version=body.version,
    )
    return ok(await _fields(service, record, draft))


@delete(_ONE)
async def remove(service: App, attempt_id: Name, kind: Kind) -> Envelope:
    record = await find.attempt(service, attempt_id)
    await service.tasks.turns.remove_draft(record.attempt_id, kind)
    return ok()


@post(f"{_ONE}/queue")
async def queue(
    service: App, request: Asked, attempt_id: Name, kind: Kind = "follow_up"
) -> Envelope:
    body = await read(request, Queue)
    if kind != "follow_up":
        raise Unreadable(400, "Failed to deserialize query string: only follow_up is queued")
    record = await find.attempt(service, attempt_id)
    draft = await service.tasks.turns.queue_draft(
        record.attempt_id,
        body.queued,
        expected_version=body.expected_version,
        expected_queued=body.expected_queued,
    )
    return ok(await _fields(service, record, draft))
