"""Projects and their tasks."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import get, post
from litestar.openapi.spec import Example
from litestar.params import Body, JSONBody
from msgspec import Meta

from stoker.server.params import App, Name
from stoker.tasks.catalog import ProjectChange, TaskChange
from stoker.tasks.model import Project, Task
from stoker.wire.tasks import (
    ProjectRequest,
    Projects,
    StatusRequest,
    TaskRequest,
    Tasks,
    TaskView,
)

Text = Annotated[str, Meta(min_length=1, max_length=1000)]
LongText = Annotated[str, Meta(max_length=1_000_000)]


@post(
    "/v1/projects",
    tags=["tasks"],
    opt={"scope": "admin"},
    summary="Make a project of a repository",
)
async def create_project(
    service: App,
    data: Annotated[
        ProjectRequest,
        Body(examples=[Example("one", value={"name": "Site", "repository": "/srv/site"})]),
    ],
) -> Project:
    return await service.tasks.catalog.create_project(
        data.name,
        str(service.confined(data.repository, "repository")),
        ProjectChange(
            setup_script=data.setup_script,
            cleanup_script=data.cleanup_script,
            copy_files=data.copy_files,
        ),
    )


@get("/v1/projects", tags=["tasks"], summary="All projects")
async def projects(service: App) -> Projects:
    return Projects(await service.tasks.catalog.projects())


@get("/v1/projects/{project_id:str}", tags=["tasks"], summary="One project")
async def project(service: App, project_id: Name) -> Project:
    return await service.tasks.catalog.project(project_id)


@post("/v1/projects/{project_id:str}/tasks", tags=["tasks"], summary="Write a task down")
async def create_task(service: App, project_id: Name, data: JSONBody[TaskRequest]) -> Task:
    return await service.tasks.catalog.create_task(project_id, data.title, data.description)


@get("/v1/projects/{project_id:str}/tasks", tags=["tasks"], summary="The tasks of a project")
async def tasks(service: App, project_id: Name) -> Tasks:
    catalog = service.tasks.catalog
    await catalog.project(project_id)
    found = await catalog.tasks(project_id)
    return Tasks(
        [TaskView(one, await service.tasks.catalog.attempts(one.task_id)) for one in found]
    )


@get("/v1/tasks/{task_id:str}", tags=["tasks"], summary="One task and its attempts")
async def task(service: App, task_id: Name) -> TaskView:
    found = await service.tasks.catalog.task(task_id)
    return TaskView(found, await service.tasks.catalog.attempts(task_id))


@post(
    "/v1/tasks/{task_id:str}/status",
    tags=["tasks"],
    status_code=200,
    summary="Say how a task stands",
)
async def set_status(service: App, task_id: Name, data: JSONBody[StatusRequest]) -> Task:
    return await service.tasks.catalog.change_task(task_id, TaskChange(status=data.status))


ROUTES: list[Any] = [create_project, projects, project, create_task, tasks, task, set_status]
