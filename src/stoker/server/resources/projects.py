"""Projects: repositories, and how their tasks are done."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromQuery, JSONBody
from msgspec.structs import asdict

from stoker.server import paging
from stoker.server.params import App, Name
from stoker.tasks import editor
from stoker.tasks.catalog import ProjectChange
from stoker.tasks.model import Project
from stoker.wire.tasks import (
    Branches,
    BranchView,
    EditorRequest,
    Matches,
    MatchView,
    ProjectRequest,
    Projects,
)
from stoker.workspace.errors import printable
from stoker.workspace.model import Match

TAG = "projects"


@post("/v1/projects", opt={"scope": "admin"}, summary="Make a project of a repository")
async def create(
    service: App,
    data: Annotated[
        ProjectRequest,
        Body(examples=[Example("one", value={"name": "Site", "repository": "/srv/site"})]),
    ],
) -> Project:
    given = asdict(data)
    name, repository = given.pop("name"), given.pop("repository")
    place = str(service.confined(repository, "repository"))
    return await service.tasks.catalog.create_project(name, place, ProjectChange(**given))


@get("/v1/projects", summary="All projects")
async def listed(service: App) -> Projects:
    return Projects(await service.tasks.catalog.projects())


@get("/v1/projects/{project_id:str}", summary="One project")
async def show(service: App, project_id: Name) -> Project:
    return await service.tasks.catalog.project(project_id)


@patch(
    "/v1/projects/{project_id:str}",
    opt={"scope": "admin"},
    summary="Change a project; what is not named stays",
)
async def change(
    service: App,
    project_id: Name,
    data: Annotated[
        ProjectChange,
        Body(examples=[Example("a part", value={"directory": "web", "dev_script": "npm start"})]),
    ],
) -> Project:
    return await service.tasks.catalog.change_project(project_id, data)


@delete(
    "/v1/projects/{project_id:str}",
    opt={"scope": "admin"},
    summary="Forget a project and all its tasks; its repository stays as it is",
)
async def remove(service: App, project_id: Name) -> None:
    await service.tasks.removal.remove_project(project_id)


@get("/v1/projects/{project_id:str}/branches", summary="Branches")
async def branches(service: App, project_id: Name) -> Branches:
    catalog = service.tasks.catalog
    repository = await catalog.repository(await catalog.project(project_id))
    return Branches(
        [
            BranchView(
                name=printable(one.name),
                is_current=one.is_current,
                is_remote=one.is_remote,
                commit=one.commit,
                last_commit_date=one.last_commit_date,
            )
            for one in await repository.branches()
        ]
    )


@get("/v1/projects/{project_id:str}/search", summary="Files and directories by name")
async def search(
    service: App, project_id: Name, q: FromQuery[str], limit: paging.Limit = 50
) -> Matches:
    project = await service.tasks.catalog.project(project_id)
    return matches(await service.tasks.work.search(project, q, limit=limit))


@post(
    "/v1/projects/{project_id:str}/open-editor",
    status_code=204,
    summary="Open the repository in an editor, on the server's machine",
)
async def open_editor(
    service: App, project_id: Name, data: JSONBody[EditorRequest | None] = None
) -> None:
    project = await service.tasks.catalog.project(project_id)
    await opened(project.repository, data or EditorRequest())


async def opened(top: str, data: EditorRequest) -> None:
    """Open what is asked for in `top`. Raises `TasksError`."""
    path = editor.inside(top, data.file)
    await editor.open(path, data.editor, data.custom_command)


def matches(found: list[Match]) -> Matches:
    """As they are sent."""
    return Matches(
        [
            MatchView(path=printable(one.path), is_file=one.is_file, match_type=one.match_type)
            for one in found
        ]
    )
