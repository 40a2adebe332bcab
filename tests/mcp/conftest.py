"""The official SDK's client, over real stdio and real HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))

from serving import Server


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    with Server(tmp_path, "--rate", "0") as started:
        yield started


@asynccontextmanager
async def over_stdio(directory: Path):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STOKER_")}
    started = StdioServerParameters(
        command=sys.executable, args=["-m", "stoker", "mcp"], cwd=directory, env=kept
    )
    async with stdio_client(started) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def over_http(url: str, token: str | None = None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as client,
        streamable_http_client(f"{url}/mcp", http_client=client) as streams,
        ClientSession(*streams[:2]) as session,
    ):
        await session.initialize()
        yield session


async def call(session: ClientSession, name: str, /, **arguments: Any) -> Any:
    """The structured answer of a tool that succeeds."""
    done = await session.call_tool(name, arguments)
    assert not done.is_error, done.content
    return done.structured_content


def main(doing: Awaitable[Any]) -> Any:
    return asyncio.run(asyncio.wait_for(doing, 120))
