"""Approvals: what agents ask on their own, and what programs ask through this API.

The first are in the stream of their turn and are answered through its inbox; the second are
kept here, for whoever asked to look at again.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from stoker.agents.inbox import Reply
from stoker.agents.store import place
from stoker.agents.stream import Approval, Put, Session, load
from stoker.engine.view import iso
from stoker.server.forge import find
from stoker.server.forge.entries import NEVER_SEC, approval_id
from stoker.server.forge.envelope import Envelope, Unreadable, get, ok, post, read
from stoker.server.forge.find import Process
from stoker.server.params import App, Asked, Name, who
from stoker.server.service import Service
from stoker.tasks.documents import Documents
from stoker.tasks.errors import Conflict, Unknown
from stoker.tasks.following import batches
from stoker.tasks.standing import standings

_TIMEOUT_SEC: Final = 3600.0
_ANSWERED_SEC: Final = 5.0
"""An agent's driver takes an answer up at once, if it lives."""


class Create(Struct, frozen=True, kw_only=True):
    """What a program asks."""

    tool_name: str
    tool_input: Any = None
    session_id: str = ""
    """The agent's own."""


class Status(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a request stands."""

    status: str
    reason: str | None = None


class Respond(Struct, frozen=True, kw_only=True):
    """An answer: as the client gives it, or as the server wanted it."""

    approved: bool | None = None
    comment: str | None = None
    status: Status | None = None


class Kept(Create, frozen=True, kw_only=True):
    """A request of a program."""

    id: str
    execution_process_id: str
    created_at: float
    answer: Status | None = None


@post("/api/approvals/create")
async def create(service: App, request: Asked) -> Envelope:
    body = await read(request, Create)
    kept = Kept(
        **asdict(body),
        id=str(uuid.uuid4()),
        execution_process_id=await _process_of(service, body.session_id),
        created_at=time.time(),
    )
    await Documents(service.journal).add(_name(kept.id), kept)
    told = asdict(kept)
    del told["answer"]
    times = {"created_at": kept.created_at, "timeout_at": kept.created_at + _TIMEOUT_SEC}
    return ok({**told, **{name: iso(time) for name, time in times.items()}})


@get("/api/approvals/pending")
async def pending(service: App) -> Envelope:
    found = [
        _pending(approval_id(process.id, one.id), process.id, one.title, put.time, NEVER_SEC)
        async for process, put, one in _asked(service)
        if one.answer is None
    ]
    kept = await Documents(service.journal).under(_name(""), Kept)
    found += [
        _pending(one.id, one.execution_process_id, one.tool_name, one.created_at, _TIMEOUT_SEC)
        for one in kept.values()
        if _status(one).status == "pending"
    ]
    return ok(found)


@get("/api/approvals/{key:str}/status")
async def status(service: App, key: Name) -> Envelope:
    kept = await Documents(service.journal).get(_name(key), Kept)
    if kept is not None:
        return ok(_status(kept))
    _, approval = await _of_agent(service, key)
    return ok(_answered(approval))


@post("/api/approvals/{key:str}/respond")
async def respond(service: App, request: Asked, key: Name) -> Envelope:
    body = await read(request, Respond)
    said = _said(body)
    documents = Documents(service.journal)
    kept = await documents.get(_name(key), Kept)
    if kept is not None:
        if _status(kept).status != "pending":
            raise Conflict("the request is not pending any more")
        await documents.put(_name(key), replace(kept, answer=said))
        return ok(said)
    process, approval = await _of_agent(service, key)
    if approval.answer is not None:
        raise Conflict("the request is not pending any more")
    reply = Reply(
        approval=approval.id,
        allowed=said.status == "approved",
        reason=said.reason or "",
        by=who(request),
    )
    attempt_id = process.attempt.attempt_id
    await service.tasks.turns.tell(attempt_id, process.turn, reply)
    await _until_answered(service, process, approval.id)
    return ok(said)


def _said(body: Respond) -> Status:
    if body.status is not None and body.status.status in ("approved", "denied"):
        return body.status
    if body.approved is None:
        raise Unreadable(422, "Failed to deserialize the JSON body: missing field `approved`")
    if body.approved:
        return Status(status="approved")
    return Status(status="denied", reason=body.comment)


def _name(key: str) -> str:
    return f"approval/{key}"


def _pending(key: str, process: str, tool: str, asked: float, wait: float) -> dict[str, Any]:
    return {
        "approval_id": key,
        "execution_process_id": process,
        "tool_name": tool,
        "requested_at": iso(asked),
        "timeout_at": iso(asked + wait),
    }


def _status(kept: Kept) -> Status:
    if kept.answer is not None:
        return kept.answer
    over = time.time() > kept.created_at + _TIMEOUT_SEC
    return Status(status="timed_out" if over else "pending")


def _answered(approval: Approval) -> Status:
    answer = approval.answer
    if answer is None:
        return Status(status="pending")
    if answer.allowed:
        return Status(status="approved")
    return Status(status="denied", reason=answer.reason or None)


async def _of_agent(service: Service, key: str) -> tuple[Process, Approval]:
    """What an agent has asked. Raises `Unknown`."""
    process_id, _, asked = key.partition(".")
    try:
        wanted = bytes.fromhex(asked).decode()
        process = await find.process(service, process_id)
    except (ValueError, Unknown):
        raise Unknown("request for approval", key) from None
    for put in await _entries(service, process):
        if isinstance(put.content, Approval) and put.content.id == wanted:
            return process, put.content
    raise Unknown("request for approval", key)


async def _asked(service: Service) -> AsyncIterator[tuple[Process, Put, Approval]]:
    """What agents at work have asked."""
    async for process in _at_work(service):
        for put in await _entries(service, process):
            if isinstance(put.content, Approval):
                yield process, put, put.content


async def _at_work(service: Service) -> AsyncIterator[Process]:
    for key, standing in (await standings(service.engine, service.journal)).items():
        if standing.under_way:
            attempt = await service.tasks.catalog.attempt(key)
            for process in await find.processes(service, attempt):
                if process.role == "agent" and process.row.finished_at is None:
                    yield process


async def _process_of(service: Service, session_id: str) -> str:
    """The process of the agent at work whose session this is; empty if there is none."""
    async for process in _at_work(service):
        for put in await _entries(service, process):
            if isinstance(put.content, Session) and put.content.id == session_id:
                return process.id
    return ""


async def _entries(service: Service, process: Process) -> list[Put]:
    run = service.tasks.progress.directory(process.attempt)
    file = place(run, process.row.step_id, process.row.attempt) / "stream"
    return (await asyncio.to_thread(load, file)).entries


async def _until_answered(service: Service, process: Process, asked: str) -> None:
    """Whoever asks next is to see the answer."""
    key = process.attempt.attempt_id
    try:
        async with asyncio.timeout(_ANSWERED_SEC):
            found = await batches(service.tasks, key, process.turn, watch=service.watch)
            async with aclosing(found) as some:  # type: ignore[type-var]
                async for puts in some:
                    for put in puts:
                        one = put.content
                        if isinstance(one, Approval) and one.id == asked and one.answer:
                            return
    except TimeoutError:
        return  # it is in the inbox, and will be taken up
