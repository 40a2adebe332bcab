"""Standing agents of projects: one of each type, each with a task that lists leave out."""

from __future__ import annotations

import time
import uuid

from litestar.params import FromQuery
from msgspec import Struct

from stoker.engine.view import iso
from stoker.server.forge import shapes, views
from stoker.server.forge.envelope import Envelope, get, ok, post, read
from stoker.server.params import App, Asked
from stoker.tasks.catalog import TaskChange
from stoker.tasks.documents import Documents


class CreateAgent(Struct, frozen=True, kw_only=True):
    """A new one."""

    project_id: str
    agent_type: str


@get("/api/forge/agents")
async def listed(
    service: App, project_id: FromQuery[str], agent_type: FromQuery[str | None] = None
) -> Envelope:
    found = await Documents(service.journal).under(f"agent/{project_id}/", shapes.ForgeAgent)
    return ok([one for one in found.values() if agent_type in (None, one.agent_type)])


@post("/api/forge/agents")
async def create(service: App, request: Asked) -> Envelope:
    """The one there is already, if there is one: callers ask again when they have lost it."""
    body = await read(request, CreateAgent)
    documents = Documents(service.journal)
    name = f"agent/{body.project_id}/{body.agent_type}"
    if (known := await documents.get(name, shapes.ForgeAgent)) is not None:
        return ok(known)
    task = await service.tasks.catalog.create_task(
        body.project_id, "Genie", None, TaskChange(labels=(views.AGENT,))
    )
    now = iso(time.time())
    agent = shapes.ForgeAgent(
        id=str(uuid.uuid4()),
        project_id=body.project_id,
        agent_type=body.agent_type,
        task_id=task.task_id,
        created_at=now,
        updated_at=now,
    )
    if not await documents.add(name, agent):  # somebody else was faster
        await service.tasks.removal.remove_task(task.task_id)
        return ok(await documents.get(name, shapes.ForgeAgent))
    return ok(agent)
