"""What can be asked of a run, whichever process drives it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import post
from msgspec import Struct
from msgspec.structs import asdict

from stoker.client import api
from stoker.journal.base import CommandKind
from stoker.journal.events import RUN_ADVANCED
from stoker.plan.errors import PlanError
from stoker.server.params import App, Asked, Name, sent, who
from stoker.server.problems import invalid_plan
from stoker.server.resources.plans import in_place
from stoker.server.route import handler
from stoker.wire.runs import Again, Done, Extension

TAG = "runs"


class _Steps(Struct):
    steps: msgspec.Raw = msgspec.Raw()


async def _steer(
    request: Asked, service: App, run_id: str, *step: str, data: Any, key: Any
) -> Done:
    """Ask what the last part of the path says of a run, or of a step of it."""
    kind: CommandKind = request.url.path.rpartition("/")[2]  # type: ignore[assignment]
    said, by = asdict(data), who(request)
    inputs = said.pop("inputs", {})
    if step:
        said["step"] = step[0]
    if kind == "cancel":
        said["reason"] = said["reason"] or f"canceled by {by}"
    events = await service.command(run_id, kind, said, by=by, inputs=inputs)
    released = [
        step
        for event in events or ()
        if kind == "next" and event.type == RUN_ADVANCED
        for step in event.data["steps"]
    ]
    status: Literal["done", "queued"] = "queued" if events is None else "done"
    return Done(run_id=run_id, status=status, released=released)


async def _resume(request: Asked, service: App, run_id: str, *, data: Again, key: Any) -> Done:
    await service.resume(run_id, data.inputs)
    return Done(run_id=run_id, status="done")


ROUTES = (
    handler(api.Runs.cancel, "End a run", _steer),
    handler(api.Runs.pause, "Start no more steps for now", _steer),
    handler(api.Runs.unpause, "Let a paused run go on", _steer),
    handler(api.Runs.next, "Release the next batch of a manual run", _steer),
    handler(api.Runs.resume, "Go on here with a run that nobody drives", _resume),
    handler(api.Runs.approve, "Say yes to a step that waits for it", _steer),
    handler(api.Runs.reject, "Say no to a step that waits for approval", _steer),
    handler(api.Runs.resolve, "Say what became of a quarantined step", _steer),
)


@post(
    "/v1/runs/{run_id:str}/extend",
    status_code=200,
    summary="Add steps; a run that is over is reopened",
)
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
    await service.extend(run_id, text, by=who(request), inputs=data.inputs)
    return Done(run_id=run_id, status="done")
