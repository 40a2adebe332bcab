"""Projects: repositories, and how their tasks are done."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import FromQuery, JSONBody
from msgspec.structs import replace

from stoker.client import api
from stoker.server import paging
from stoker.server.params import App, Name, sent
from stoker.server.route import route
from stoker.tasks import editor
from stoker.tasks.catalog import Catalog
from stoker.tasks.changes import ProjectChange, given
from stoker.tasks.model import Project
from stoker.tasks.removal import Removal
from stoker.wire.tasks import (
    Branches,
    EditorRequest,
    Matches,
    ProjectRequest,
)
from stoker.workspace.errors import printable
from stoker.workspace.model import Match

TAG = "projects"

ROUTES = (
    route(api.Projects.list, "All projects", Catalog.projects),
    route(api.Projects.show, "One project", Catalog.project),
    route(
        api.Projects.change,
        "Change a project; what is not named stays",
        Catalog.change_project,
        example=("a part", {"directory": "web", "dev_script": "npm start"}),
        scope="admin",
    ),
    route(
        api.Projects.remove,
        "Forget a project and all its tasks; its repository stays as it is",
        Removal.remove_project,
        scope="admin",
    ),
)


@post("/v1/projects", opt={"scope": "admin"}, summary="Make a project of a repository")
async def create(
    service: App,
    data: Annotated[ProjectRequest, sent("one", name="Site", repository="/srv/site")],
) -> Project:
    fields = given(data)
    name, repository = fields.pop("name"), fields.pop("repository")
    place = str(service.confined(repository, "repository"))
    return await service.tasks.catalog.create_project(name, place, ProjectChange(**fields))


@get("/v1/projects/{project_id:str}/branches", summary="Branches")
async def branches(service: App, project_id: Name) -> Branches:
    catalog = service.tasks.catalog
    repository = await catalog.repository(await catalog.project(project_id))
    found = await repository.branches()
    return Branches([replace(one, name=printable(one.name)) for one in found])


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
    return Matches([replace(one, path=printable(one.path)) for one in found])
