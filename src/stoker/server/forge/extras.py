"""What the older server had beside what its clients ask: the work that standing agents hand on,
and settings of a service named Omni, of which there is none here."""

from __future__ import annotations

import os
import shutil
from typing import Any

from litestar.response import Redirect
from msgspec import Struct

from stoker.agents import profiles
from stoker.server.forge import find, shapes, views
from stoker.server.forge.envelope import Business, Envelope, get, ok, post, put, read
from stoker.server.params import App, Asked, Name
from stoker.server.service import Service
from stoker.tasks.model import Task

_NO_OMNI = "this server sends nothing to Omni; who is to be told of what, notify.toml says"
_SETTINGS = ["/api/forge/config", "/api/forge/projects/{project_id:str}/settings"]


class OmniSettings(Struct, frozen=True, kw_only=True):
    """All that the older server's own settings are."""

    omni_enabled: bool = False
    omni_config: dict[str, Any] | None = None


class Setup(Struct, frozen=True, kw_only=True):
    """Whose setup."""

    executor_profile_id: shapes.ProfileId


@get(_SETTINGS)
async def settings(service: App, request: Asked) -> Envelope:
    if project_id := request.path_params.get("project_id"):
        await service.tasks.catalog.project(project_id)
    return ok(OmniSettings())


@put(_SETTINGS, opt={"scope": "admin"})
async def update_settings(service: App, request: Asked) -> Envelope:
    told = await settings.fn(service, request)
    if (await read(request, OmniSettings)).omni_enabled:
        raise Business(_NO_OMNI)
    return told  # type: ignore[no-any-return]


@get("/api/forge/projects/{project_id:str}/profiles", opt={"scope": "admin"})
async def project_profiles(service: App, project_id: Name) -> Envelope:
    """The same for all projects."""
    await service.tasks.catalog.project(project_id)
    return ok(profiles.load(profiles.place(os.environ)).document())


@get("/api/forge/omni/status", sync_to_thread=False)
def omni() -> dict[str, Any]:
    """Without an envelope, as the other three of Omni."""
    return {"enabled": False, "version": None, "config": None}


@get("/api/forge/omni/instances", sync_to_thread=False)
def instances() -> dict[str, Any]:
    return {"instances": []}


@get("/api/forge/omni/notifications", sync_to_thread=False)
def notifications() -> dict[str, Any]:
    return {"notifications": []}


@post("/api/forge/omni/validate", sync_to_thread=False)
def validate() -> dict[str, Any]:
    return {"valid": False, "instances": [], "error": _NO_OMNI}


@get("/api/forge/releases", sync_to_thread=False)
def releases() -> Envelope:
    """None: nothing is asked elsewhere for newer versions."""
    return ok([])


@get("/api/forge/master-genie/{attempt_id:str}/neurons")
async def neurons(service: App, attempt_id: Name) -> Envelope:
    """The standing tasks that an attempt has made, each with its newest attempt."""
    found = []
    for task in await _standing(service, attempt_id):
        if attempts := await service.tasks.catalog.attempts(task.task_id):
            light = await views.attempt_light(service, attempts[-1])
            kind = attempts[-1].variant or "DEFAULT"
            found.append({"type": kind, "task": views.task(task), "attempt": light})
    return ok(found)


@get("/api/forge/neurons/{attempt_id:str}/subtasks")
async def subtasks(service: App, attempt_id: Name) -> Envelope:
    return ok([views.task(one) for one in reversed(await _standing(service, attempt_id))])


async def _standing(service: Service, attempt_id: str) -> list[Task]:
    """Those of status `agent` that an attempt has made, oldest first."""
    record = await find.attempt(service, attempt_id)
    _, _, found = await service.tasks.work.children(record.attempt_id)
    return [one for one in found if views.AGENT in one.labels]


@post("/api/task-attempts/{attempt_id:str}/run-agent-setup")
async def run_agent_setup(service: App, request: Asked, attempt_id: Name) -> Envelope:
    """There is nothing to set up where the agent's program is installed."""
    body = await read(request, Setup)
    await find.attempt(service, attempt_id)
    known = profiles.load(profiles.place(os.environ))
    wanted = body.executor_profile_id
    program = known.profile(wanted.executor, wanted.variant).command[0]
    if shutil.which(program) is None:
        raise Business(f"{wanted.executor}: {program} is not installed on this machine")
    return ok({})


@get(["/api/openapi.json", "/docs"], sync_to_thread=False)
def document() -> Redirect:
    """The document is the native API's."""
    return Redirect("/openapi.json")
