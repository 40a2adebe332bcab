"""Opening repositories and worktrees in an editor on the server's machine."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from stoker.server.forge import config, find
from stoker.server.forge.envelope import Envelope, Failed, ok, post, read
from stoker.server.params import App, Asked, Name
from stoker.server.service import Service
from stoker.tasks import editor
from stoker.tasks.errors import Conflict, Invalid


class Open(Struct, frozen=True, kw_only=True):
    """With what, and what; what is missing, the settings say."""

    editor_type: str | None = None
    file_path: str | None = None


@post("/api/projects/{project_id:str}/open-editor")
async def open_project(service: App, request: Asked, project_id: Name) -> Envelope:
    body = await read(request, Open)
    project = await service.tasks.catalog.project(project_id)
    return await _open(service, project.repository, body, "ProjectError")


@post("/api/task-attempts/{attempt_id:str}/open-editor")
async def open_attempt(service: App, request: Asked, attempt_id: Name) -> Envelope:
    body = await read(request, Open)
    record = await find.attempt(service, attempt_id)
    return await _open(service, record.worktree, body, "TaskAttemptError")


async def _open(service: Service, top: str, body: Open, kind: str) -> Envelope:
    chosen = (await config.load(service)).editor
    try:
        path: Path = editor.inside(top, body.file_path)
        await editor.open(path, body.editor_type or chosen.editor_type, chosen.custom_command)
    except (Invalid, Conflict) as error:
        raise Failed(f"{kind}: Failed to open editor: {error}") from error
    return ok()
