"""What can be asked of a run, whichever process drives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from litestar import post
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta, Struct

from stoker.journal.base import CommandKind
from stoker.journal.events import RUN_ADVANCED
from stoker.plan.errors import PlanError
from stoker.server.params import App, Asked, Name, sent
from stoker.server.problems import invalid_plan
from stoker.server.resources.plans import in_place
from stoker.server.service import Service
from stoker.wire.runs import Again, Comment, Done, Extension, Reason, Resolution

Text = Annotated[str, Meta(max_length=10_000)]


class _Steps(Struct):
    steps: msgspec.Raw = msgspec.Raw()


async def _ask(
    service: Service,
    request: Asked,
    run_id: str,
    kind: CommandKind,
    payload: dict[str, Any],
    inputs: dict[str, Any] | None = None,
) -> Done:
    events = await service.command(run_id, kind, payload, by=_who(request), inputs=inputs or {})
    released = [
        step
        for event in events or ()
        if kind == "next" and event.type == RUN_ADVANCED
        for step in event.data["steps"]
    ]
    status: Literal["done", "queued"] = "queued" if events is None else "done"
    return Done(run_id=run_id, status=status, released=released)


def _who(request: Asked) -> str:
    return f"api:{request.scope['state']['token'].name}"


def _post(path: str, summary: str) -> Callable[[Callable[..., Any]], Any]:
    return post(
        f"/v1/runs/{{run_id:str}}/{path}", tags=["runs"], status_code=HTTP_200_OK, summary=summary
    )


@_post("cancel", "End a run")
async def cancel(
    service: App, request: Asked, run_id: Name, data: JSONBody[Reason | None] = None
) -> Done:
    who = _who(request)
    reason = (data.reason if data else None) or f"canceled by {who}"
    return await _ask(service, request, run_id, "cancel", {"reason": reason})


@_post("pause", "Start no more steps for now")
async def pause(
    service: App, request: Asked, run_id: Name, data: JSONBody[Reason | None] = None
) -> Done:
    payload = {"reason": data.reason if data else None}
    return await _ask(service, request, run_id, "pause", payload)


@_post("unpause", "Let a paused run go on")
async def unpause(
    service: App, request: Asked, run_id: Name, data: JSONBody[Again | None] = None
) -> Done:
    return await _ask(service, request, run_id, "unpause", {}, data.inputs if data else None)


@_post("next", "Release the next batch of a manual run")
async def release(
    service: App, request: Asked, run_id: Name, data: JSONBody[Again | None] = None
) -> Done:
    return await _ask(service, request, run_id, "next", {}, data.inputs if data else None)


@_post("resume", "Go on here with a run that nobody drives")
async def resume(service: App, run_id: Name, data: JSONBody[Again | None] = None) -> Done:
    await service.resume(run_id, data.inputs if data else {})
    return Done(run_id=run_id, status="done")


@_post("extend", "Add steps; a run that is over is reopened")
async def extend(
    service: App,
    request: Asked,
    run_id: Name,
    data: Annotated[Extension, sent("a step", steps=[{"id": "more", "run": "echo more"}])],
) -> Done:
    listed = not isinstance(data.steps, str)
    text = msgspec.json.encode(data.steps).decode() if listed else str(data.steps)
    try:
        await service.check_steps(
            run_id, in_place(await request.body(), _Steps) if listed else text
        )
    except PlanError as error:
        raise invalid_plan(error.problems, "/steps" if listed else "") from None
    await service.extend(run_id, text, by=_who(request), inputs=data.inputs)
    return Done(run_id=run_id, status="done")


@_post("steps/{step:str}/approve", "Say yes to a step that waits for it")
async def approve(
    service: App, request: Asked, run_id: Name, step: Name, data: JSONBody[Comment | None] = None
) -> Done:
    return await _answer(service, request, run_id, step, "approve", data)


@_post("steps/{step:str}/reject", "Say no to a step that waits for approval")
async def reject(
    service: App, request: Asked, run_id: Name, step: Name, data: JSONBody[Comment | None] = None
) -> Done:
    return await _answer(service, request, run_id, step, "reject", data)


@_post("steps/{step:str}/resolve", "Say what became of a quarantined step")
async def resolve(
    service: App, request: Asked, run_id: Name, step: Name, data: JSONBody[Resolution]
) -> Done:
    payload = {"step": step, "outcome": data.outcome, "comment": data.comment}
    return await _ask(service, request, run_id, "resolve", payload, data.inputs)


async def _answer(
    service: Service,
    request: Asked,
    run_id: str,
    step: str,
    kind: CommandKind,
    data: Comment | None,
) -> Done:
    payload = {"step": step, "comment": data.comment if data else ""}
    return await _ask(service, request, run_id, kind, payload, data.inputs if data else None)
