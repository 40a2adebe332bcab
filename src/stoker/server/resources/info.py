"""What a server has to offer: agents, and what it runs on."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from typing import Annotated, Any

from litestar import get, put

from stoker.agents import mcp_config, profiles
from stoker.agents.mcp_config import BadMcpConfig, NoMcpConfig
from stoker.engine.engine import processors
from stoker.server.params import App, Name, sent
from stoker.server.problems import Refused, not_found
from stoker.tasks.editor import EDITORS
from stoker.wire.server import Agents, AgentView, Info, McpRequest, McpServers

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


_MCP = "/v1/agents/{executor:str}/mcp-servers"


@get(
    _MCP,
    opt={"scope": "admin"},
    summary="The MCP servers that an agent has in a configuration file of its own",
)
async def mcp_servers(executor: Name) -> McpServers:
    return await asyncio.to_thread(_mcp, executor)


@put(
    _MCP,
    opt={"scope": "admin"},
    summary="Have an agent's own configuration file hold exactly these MCP servers",
)
async def set_mcp_servers(
    executor: Name,
    data: Annotated[McpRequest, sent("one", servers={"files": {"command": "mcp-files"}})],
) -> McpServers:
    return await asyncio.to_thread(_mcp, executor, data.servers)


def _mcp(executor: str, servers: dict[str, Any] | None = None) -> McpServers:
    """As they are, or are to be from now on."""
    try:
        if servers is not None:
            mcp_config.write(executor, servers)
        found = mcp_config.read(executor)
    except NoMcpConfig as error:
        raise not_found(str(error)) from error
    except BadMcpConfig as error:
        raise Refused(409, "bad-file", str(error)) from error
    return McpServers(servers=found.mcp_config.servers, path=found.config_path)
