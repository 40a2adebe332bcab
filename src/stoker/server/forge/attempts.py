"""Attempts: begun, told more, stopped."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.params import FromQuery
from msgspec import Struct
from msgspec.structs import asdict

from stoker.server.forge import config, find, process_view, shapes, views
from stoker.server.forge.envelope import Business, Envelope, Unreadable, get, ok, post, read
from stoker.server.forge.tasks import variant
from stoker.server.params import App, Asked, Key, Name
from stoker.server.service import Service
from stoker.tasks import plan
from stoker.tasks.errors import Unknown
from stoker.tasks.model import Attempt, Replaced

_ONE = "/api/task-attempts/{attempt_id:str}"


class CreateAttempt(Struct, frozen=True, kw_only=True):
    """Another try at a task."""

    task_id: str
    executor_profile_id: shapes.ProfileId
    base_branch: str


class Turn(Struct, frozen=True, kw_only=True):
    """How an agent is to be told, and what of its worktree is given up for it."""

    variant: str | None = None
    force_when_dirty: bool | None = None
    perform_git_reset: bool | None = None


class FollowUp(Turn, frozen=True, kw_only=True):
    """What to tell an agent next, as the server (`prompt`) or the client called it."""

    prompt: str | None = None
    follow_up_prompt: str | None = None
    image_ids: list[str] | None = None
    retry_process_id: str | None = None


class Replace(Turn, frozen=True, kw_only=True):
    """What an agent should have been told instead."""

    process_id: str
    prompt: str


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
        prefix=(await config.load(service)).git_branch_prefix,
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
    record = await find.at_rest(service, attempt_id)
    key, turns = record.attempt_id, service.tasks.turns
    known = variant(shapes.ProfileId(executor=record.executor, variant=body.variant))
    images = body.image_ids or ()
    if body.retry_process_id is not None:
        done = await _replace(service, record, body.retry_process_id, prompt, known, images, body)
        return ok(process_view.process(await find.begun(service, record, done.turn)))
    before = plan.last((await service.tasks.progress.state(record)).steps)
    if await turns.follow_up(key, prompt, variant=known, images=images):
        return ok(process_view.process(await find.begun(service, record, before + 1)))
    return ok(process_view.process(await find.newest(service, record)))


@post(f"{_ONE}/replace-process")
async def replace(service: App, request: Asked, attempt_id: Name) -> Envelope:
    body = await read(request, Replace)
    record = await find.at_rest(service, attempt_id)
    known = variant(shapes.ProfileId(executor=record.executor, variant=body.variant))
    done = await _replace(service, record, body.process_id, body.prompt, known, (), body)
    begun = await find.begun(service, record, done.turn)
    told = {**asdict(done), "new_execution_id": begun.id}
    del told["turn"]
    return ok(told)


@post(f"{_ONE}/stop")
async def stop(service: App, attempt_id: Name) -> Envelope:
    record = await find.attempt(service, attempt_id)
    await service.tasks.turns.stop(record.attempt_id)
    return ok()


async def _replace(
    service: Service,
    record: Attempt,
    process_id: str,
    prompt: str,
    variant: str | None,
    images: Sequence[str],
    body: Turn,
) -> Replaced:
    process = await find.process(service, process_id)
    if process.role != "agent" or process.attempt.attempt_id != record.attempt_id:
        raise Unknown("turn of this attempt", process_id)
    return await service.tasks.turns.replace(
        record.attempt_id,
        process.turn,
        prompt,
        variant=variant,
        images=images,
        force_when_dirty=bool(body.force_when_dirty),
        perform_git_reset=body.perform_git_reset is not False,
    )


@post(f"{_ONE}/start-dev-server")
async def start_dev_server(service: App, attempt_id: Name) -> Envelope:
    record = await find.attempt(service, attempt_id)
    project, _ = await service.tasks.catalog.origin(record)
    if not project.dev_script:
        raise Business("No dev server script configured for this project")
    await service.tasks.turns.start_dev_server(record.attempt_id)
    return ok()
