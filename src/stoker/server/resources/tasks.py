"""Tasks: what is to be done in projects."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import FromQuery
from litestar.response import Response

from stoker.client import api
from stoker.server import paging
from stoker.server.params import App, Name, sent
from stoker.server.route import route
from stoker.tasks import listing
from stoker.tasks.catalog import Catalog
from stoker.tasks.changes import TaskChange, given
from stoker.tasks.model import Task
from stoker.tasks.removal import Removal
from stoker.wire.tasks import TaskRequest, Tasks, TaskView

TAG = "tasks"

ROUTES = (
    route(
        api.Tasks.change,
        "Change a task; what is not named stays",
        Catalog.change_task,
        example=("labels", {"labels": ["ui"], "description": None, "status": "done"}),
    ),
    route(
        api.Tasks.remove,
        "Forget a task and all attempts at it; branches stay, what is in no commit is kept",
        Removal.remove_task,
    ),
)


@post("/v1/projects/{project_id:str}/tasks", summary="Write a task down")
async def create(
    service: App,
    project_id: Name,
    data: Annotated[TaskRequest, sent("begun by itself", title="Fix the build", agent="CODEX")],
) -> Task:
    fields = given(data)
    title, description = fields.pop("title"), fields.pop("description", None)
    return await service.tasks.catalog.create_task(
        project_id, title, description, TaskChange(**fields)
    )


@get("/v1/projects/{project_id:str}/tasks", summary="The tasks of a project, oldest first")
async def listed(
    service: App,
    project_id: Name,
    limit: paging.Limit = 500,
    cursor: FromQuery[str | None] = None,
    known: paging.Known = None,
) -> Response[Tasks]:
    await service.tasks.catalog.project(project_id)
    after = paging.read_cursor(cursor)
    found = await listing.tasks(service.engine, project_id, limit=limit + 1, after=after)
    last = found[limit - 1][0] if len(found) > limit else None
    page = Tasks(
        [TaskView(task, attempts) for task, attempts in found[:limit]],
        None if last is None else paging.cursor(last.created_at, last.task_id),
    )
    return paging.tagged(page, known)


@get("/v1/tasks/{task_id:str}", summary="One task and its attempts")
async def show(service: App, task_id: Name) -> TaskView:
    found = await service.tasks.catalog.task(task_id)
    return TaskView(found, await service.tasks.catalog.attempts(task_id))
