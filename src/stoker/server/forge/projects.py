"""Projects."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from litestar.params import FromQuery
from msgspec import UNSET, Struct, UnsetType

from stoker.engine.view import iso
from stoker.server.forge import views
from stoker.server.forge.envelope import Business, Envelope, delete, get, ok, post, put, read
from stoker.server.params import App, Asked, Name
from stoker.tasks.catalog import ProjectChange
from stoker.tasks.errors import Conflict
from stoker.workspace import hardening
from stoker.workspace.errors import NotARepository, printable
from stoker.workspace.model import STOKER
from stoker.workspace.program import execute
from stoker.workspace.search import search as find
from stoker.workspace.worktree import Worktree


class Scripts(Struct, frozen=True, kw_only=True):
    """What projects have beside a repository. What is missing is null."""

    setup_script: str | None = None
    dev_script: str | None = None
    cleanup_script: str | None = None
    copy_files: str | None = None


class CreateProject(Scripts, frozen=True, kw_only=True):
    """A new project."""

    name: str
    git_repo_path: str
    use_existing_repo: bool


class UpdateProject(Scripts, frozen=True, kw_only=True):
    """What is to become of a project."""

    name: str | None = None
    git_repo_path: str | None = None


@get("/api/projects")
async def listed(service: App) -> Envelope:
    found = await service.tasks.catalog.projects()
    return ok([views.project(one) for one in reversed(found)])


@post("/api/projects", opt={"scope": "admin"})
async def create(service: App, request: Asked) -> Envelope:
    body = await read(request, CreateProject)
    path = service.confined(_expanded(body.git_repo_path), "git_repo_path")
    if not body.use_existing_repo:
        await _init(path)
    try:
        made = await service.tasks.catalog.create_project(body.name, str(path), _change(body))
    except NotARepository as error:
        raise Business(_no_repository(path)) from error
    except Conflict as error:
        raise Business("A project with this git repository path already exists") from error
    return ok(views.project(made))


@get("/api/projects/{project_id:str}")
async def show(service: App, project_id: Name) -> Envelope:
    return ok(views.project(await service.tasks.catalog.project(project_id)))


@put("/api/projects/{project_id:str}", opt={"scope": "admin"})
async def update(service: App, request: Asked, project_id: Name) -> Envelope:
    body = await read(request, UpdateProject)
    before = await service.tasks.catalog.project(project_id)
    if body == UpdateProject():
        return ok(views.project(before))  # one caller sends nothing that a project has
    path = body.git_repo_path
    if path is not None and str(service.confined(path, "git_repo_path")) != before.repository:
        raise Business("A project keeps its repository; create another project for another one")
    changed = await service.tasks.catalog.change_project(
        project_id, _change(body, UNSET if body.name is None else body.name)
    )
    return ok(views.project(changed))


@delete("/api/projects/{project_id:str}", opt={"scope": "admin"})
async def remove(service: App, project_id: Name) -> Envelope:
    await service.tasks.removal.remove_project(project_id)
    return ok()


@get("/api/projects/{project_id:str}/branches")
async def branches(service: App, project_id: Name) -> Envelope:
    catalog = service.tasks.catalog
    repository = await catalog.repository(await catalog.project(project_id))
    found = await repository.branches()
    found.sort(key=lambda one: not one.is_current)
    shown = [
        {
            "name": printable(one.name),
            "is_current": one.is_current,
            "is_remote": one.is_remote,
            "last_commit_date": iso(one.last_commit_date.timestamp()),
        }
        for one in found
    ]
    return ok(shown)


@get("/api/projects/{project_id:str}/search")
async def search(
    service: App, project_id: Name, q: FromQuery[str], mode: FromQuery[str] = ""
) -> Envelope:
    """Modes of the client say which matches it wants, those of the old server how it ranks."""
    catalog = service.tasks.catalog
    repository = await catalog.repository(await catalog.project(project_id))
    if not q.strip():
        raise Business("Query parameter 'q' is required and cannot be empty")
    found = await find(Worktree.main(repository).git, q)
    if mode in ("FileName", "DirectoryName"):
        found = [one for one in found if one.match_type == mode]
    shown = [
        {"path": printable(one.path), "is_file": one.is_file, "match_type": one.match_type}
        for one in found
    ]
    return ok(shown)


def _expanded(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        home = path.partition("/")[0]
        raise Business(f"git_repo_path: there is no home {home}") from error


def _no_repository(path: Path) -> str:
    if not path.exists():
        return "The specified path does not exist"
    kind = "directory is not a git repository" if path.is_dir() else "path is not a directory"
    return f"The specified {kind}"


async def _init(path: Path) -> None:
    """A new repository, with a first commit to begin from; never in one there is already, whose
    index may hold what its user has staged."""
    if await asyncio.to_thread(os.path.lexists, path / ".git"):
        raise Business("The specified directory is already a git repository")
    try:
        await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise Business(f"Failed to create directory: {error.strerror}") from error
    env = {**hardening.environment(user_config=True), **hardening.identity(STOKER)}
    for args in (("init", "--quiet"), ("commit", "--quiet", "--allow-empty", "-m", "First commit")):
        done = await execute(("git", *args), cwd=str(path), env=env, timeout=30)
        if done.code != 0:
            raise Business(f"git {args[0]}: {done.stderr.strip()}")


def _change(body: Scripts, name: str | UnsetType = UNSET) -> ProjectChange:
    return ProjectChange(
        name=name,
        setup_script=body.setup_script or None,
        dev_script=body.dev_script or None,
        cleanup_script=body.cleanup_script or None,
        copy_files=tuple(filter(None, re.split(r"\s*[,\n]\s*", (body.copy_files or "").strip()))),
    )
