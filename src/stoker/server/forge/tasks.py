"""Tasks: under their project, as the client asks, and by themselves, as the server answered."""

from __future__ import annotations

import os

from litestar.params import FromQuery
from litestar.response import Response
from msgspec import UNSET, Struct, UnsetType

from stoker.agents import profiles
from stoker.server.forge import config, find, shapes, views
from stoker.server.forge.envelope import Envelope, Unreadable, delete, get, ok, post, put, read
from stoker.server.params import App, Asked, Key, Name
from stoker.tasks.catalog import TaskChange
from stoker.tasks.model import TaskStatus

_STATUSES: dict[str, TaskStatus] = {
    "todo": "todo",
    "inprogress": "inprogress",
    "inreview": "inreview",
    "done": "done",
    "cancelled": "cancelled",
    "archived": "cancelled",
}
_LIST = ["/api/tasks", "/api/projects/{project:str}/tasks"]
_ONE = ["/api/tasks/{task_id:str}", "/api/projects/{project:str}/tasks/{task_id:str}"]
_START = ["/api/tasks/create-and-start", "/api/projects/{project:str}/tasks/create-and-start"]


class CreateTask(Struct, frozen=True, kw_only=True):
    """A new task; under its project it need not say which that is."""

    title: str
    project_id: str | None = None
    description: str | None = None
    parent_task_attempt: str | None = None
    image_ids: list[str] | None = None


class UpdateTask(Struct, frozen=True, kw_only=True):
    """What is to become of a task; what is missing or null stays."""

    title: str | None = None
    description: str | None = None
    status: str | None = None
    parent_task_attempt: str | None = None
    image_ids: list[str] | None = None


class CreateAndStart(Struct, frozen=True, kw_only=True):
    """A new task and who is to begin with it."""

    task: CreateTask
    executor_profile_id: shapes.ProfileId
    base_branch: str


@get(_LIST)
async def listed(
    service: App, request: Asked, project_id: FromQuery[str | None] = None
) -> Envelope:
    key = _project(request) or project_id
    if key is None:
        raise Unreadable(400, "Failed to deserialize query string: missing field `project_id`")
    await service.tasks.catalog.project(key)
    return ok(await views.tasks(service, key))


@post(_LIST)
async def create(service: App, request: Asked) -> Envelope:
    body = await read(request, CreateTask)
    made = await service.tasks.catalog.create_task(
        _project(request) or body.project_id or "", body.title, body.description, _new(body)
    )
    return ok(views.task(made))


@post(_START)
async def create_and_start(service: App, request: Asked, key: Key = None) -> Envelope:
    body = await read(request, CreateAndStart)
    begun = await service.tasks.starter.create_and_start(
        _project(request) or body.task.project_id or "",
        body.task.title,
        body.task.description,
        _new(body.task),
        executor=body.executor_profile_id.executor,
        variant=variant(body.executor_profile_id),
        base_branch=body.base_branch,
        request_key=key,
        prefix=(await config.load(service)).git_branch_prefix,
    )
    return ok(await views.started(service, begun.task, begun.attempt))


@get(_ONE)
async def show(service: App, task_id: Name) -> Envelope:
    found = await service.tasks.catalog.task(task_id)
    attempts = await service.tasks.catalog.attempts(task_id)
    return ok(views.task(found, find.dev_server(service, attempts)))


@put(_ONE)
async def update(service: App, request: Asked, task_id: Name) -> Envelope:
    body = await read(request, UpdateTask)
    record = await service.tasks.catalog.task(task_id)
    changed = await service.tasks.catalog.change_task(task_id, _changes(body, record.labels))
    return ok(views.task(changed))


@delete(_ONE, status_code=202)
async def remove(service: App, task_id: Name) -> Response[Envelope]:
    for attempt in await service.tasks.catalog.attempts(task_id):
        await find.at_rest(service, attempt.attempt_id)
    await service.tasks.removal.remove_task(task_id)
    return Response(ok(), status_code=202)


def _project(request: Asked) -> str | None:
    """The project in the path."""
    found: str | None = request.path_params.get("project")
    return found


def variant(profile: shapes.ProfileId) -> str | None:
    """Of an executor that is known; callers name variants of other installations, which stand
    for the default."""
    known = profiles.load(profiles.place(os.environ)).executors()
    found = known.get(profile.executor, [])
    return profile.variant if profile.variant in found or not found else None


def _new(body: CreateTask) -> TaskChange:
    return TaskChange(
        parent_attempt_id=body.parent_task_attempt, images=tuple(body.image_ids or ())
    )


def _changes(body: UpdateTask, labels: tuple[str, ...]) -> TaskChange:
    status: TaskStatus | UnsetType = UNSET
    kept: tuple[str, ...] | UnsetType = UNSET
    if body.status is not None:
        kept = tuple(label for label in labels if label != views.AGENT)
        if body.status == "agent":
            kept = (*kept, views.AGENT)
        else:
            status = _STATUSES.get(body.status, UNSET)
            if status is UNSET:
                known = ", ".join(f"`{one}`" for one in _STATUSES)
                message = f"unknown status {body.status!r}, expected one of {known}"
                raise Unreadable(422, f"Failed to deserialize the JSON body: {message}")
    return TaskChange(
        title=UNSET if body.title is None else body.title,
        description=UNSET if body.description is None else body.description or None,
        status=status,
        labels=kept,
        parent_attempt_id=body.parent_task_attempt or UNSET,
        images=UNSET if body.image_ids is None else tuple(body.image_ids),
    )
