"""What a server has to offer: agents, and what it runs on."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil

from litestar import get

from stoker.agents import profiles
from stoker.engine.engine import processors
from stoker.server.params import App
from stoker.tasks.editor import EDITORS
from stoker.wire.server import Agents, AgentView, Info

TAG = "server"


@get("/v1/agents", summary="Profiles of agents, and which are installed")
async def agents() -> Agents:
    return Agents(await asyncio.to_thread(_agents))


def _agents() -> list[AgentView]:
    known = profiles.load(profiles.place(os.environ))
    found = []
    for executor, variants in known.executors().items():
        for variant in variants:
            profile = known.profile(executor, variant)
            found.append(
                AgentView(
                    executor=executor,
                    variant=variant,
                    driver=profile.driver,
                    model=profile.settings.model,
                    approvals=profile.policy.mode,
                    program=profile.command[0],
                    installed=shutil.which(profile.command[0]) is not None,
                )
            )
    return found


@get("/v1/info", summary="The server and its machine", sync_to_thread=False)
def info(service: App) -> Info:
    from importlib.metadata import version

    return Info(
        version=version("stoker"),
        started_at=service.started_at,
        journal=service.journal.location,
        roots=[str(root) for root in service.settings.roots],
        editors=list(EDITORS),
        os=platform.system(),
        release=platform.release(),
        architecture=platform.machine(),
        python=platform.python_version(),
        processors=processors(),
    )
