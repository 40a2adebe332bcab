"""The MCP server at `/mcp`, for whoever the guard lets in: its tools may do what the caller's
token may. The SDK is loaded when somebody asks for the first time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar.types import ASGIApp, Receive, Scope, Send

from stoker.client.client import Client
from stoker.server.guard import BODY_BYTES
from stoker.server.service import Service
from stoker.server.transport import client

PATHS: Final = ("/mcp", "/mcp/")


class Mcp:
    """Answers at `/mcp`; everything else is the app's."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._wanted = asyncio.Event()
        self._manager: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        service.background.append(self._run)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "method" not in scope or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        self._wanted.set()
        manager = await asyncio.shield(self._manager)
        if manager is None:
            await self._app(scope, receive, send)  # which knows no such path
        else:
            await manager.handle_request(scope, receive, send)

    async def _run(self) -> None:
        await self._wanted.wait()
        try:
            from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

            from stoker.mcp.server import server
        except ModuleNotFoundError:
            self._manager.set_result(None)
            return
        manager = StreamableHTTPSessionManager(
            server(self._client),
            stateless=True,
            max_request_body_size=BODY_BYTES,
        )
        async with manager.run():
            self._manager.set_result(manager)
            await asyncio.Event().wait()

    def _client(self, asked: Any) -> Client:
        return client(self._app, asked.request.scope["state"]["token"])
