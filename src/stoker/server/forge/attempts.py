"""Attempts: begun, told more, stopped."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.params import FromQuery
from msgspec import Struct

from stoker.server.forge import find, shapes, views
from stoker.server.forge.envelope import Envelope, Unreadable, get, ok, post, read
from stoker.server.forge.tasks import Key, variant
from stoker.server.params import App, Name
from stoker.tasks.errors import Unknown

Asked = Request[Any, Any, Any]
_ONE = "/api/task-attempts/{attempt_id:str}"


class CreateAttempt(Struct, frozen=True, kw_only=True):
    """Another try at a task."""

    task_id: str
    executor_profile_id: shapes.ProfileId
    base_branch: str


class FollowUp(Struct, frozen=True, kw_only=True):
    """What to tell an agent next, as the server (`prompt`) or the client called it."""

    prompt: str | None = None
    follow_up_prompt: str | None = None
    variant: str | None = None
    image_ids: list[str] | None = None
    retry_process_id: str | None = None
    force_when_dirty: bool | None = None
    perform_git_reset: bool | None = None


@get("/api/task-attempts")
async def listed(service: App, task_id: FromQuery[str | None] = None) -> Envelope:
    """Of a task; callers also ask with the id of a project, and for all."""
    if task_id is None:
        return ok(await views.attempts(service))
    try:
        await service.tasks.catalog.task(task_id)
    except Unknown:
        return ok(await views.attempts(service, project_id=task_id))
    return ok(await views.attempts(service, task_id=task_id))


@post("/api/task-attempts")
async def create(service: App, request: Asked, key: Key = None) -> Envelope:
    body = await read(request, CreateAttempt)
    begun = await service.tasks.starter.start(
        body.task_id,
        executor=body.executor_profile_id.executor,
        variant=variant(body.executor_profile_id),
        base_branch=body.base_branch,
        request_key=key,
    )
    return ok(await views.attempt(service, begun.attempt))


@get(_ONE)
async def show(service: App, attempt_id: Name) -> Envelope:
    return ok(await views.attempt(service, await find.attempt(service, attempt_id)))


@post(f"{_ONE}/follow-up")
async def follow_up(service: App, request: Asked, attempt_id: Name) -> Envelope:
    """The process that is at it, or, while that waits for the turn under way, that turn's."""
    body = await read(request, FollowUp)
    prompt = body.prompt or body.follow_up_prompt
    if prompt is None:
        raise Unreadable(422, "Failed to deserialize the JSON body: missing field `prompt`")
    record = await find.attempt(service, attempt_id)
    key, turns = record.attempt_id, service.tasks.turns
    known = variant(shapes.ProfileId(executor=record.executor, variant=body.variant))
    images = body.image_ids or ()
    started = await turns.follow_up(key, prompt, variant=known, images=images)
    newest = await find.newest(service, record, begun=started)
    return ok(views.process(newest))


@post(f"{_ONE}/stop")
async def stop(service: App, attempt_id: Name) -> Envelope:
    record = await find.attempt(service, attempt_id)
    await service.tasks.turns.stop(record.attempt_id)
    return ok()


ROUTES = [listed, create, show, follow_up, stop]
