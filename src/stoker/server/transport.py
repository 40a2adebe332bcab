"""The server's API without a server: requests go to an app in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from litestar.types import ASGIApp

from stoker.client.client import Client
from stoker.client.local import IN_PROCESS
from stoker.engine.engine import Engine
from stoker.server.service import Service
from stoker.server.settings import Settings
from stoker.server.tokens import NOBODY, Token, Tokens
from stoker.tasks.service import Tasks


def client(app: ASGIApp, token: Token) -> Client:
    """A client of an unguarded app in this process, as whoever has the token."""
    return Client(IN_PROCESS, transport=InProcess(app, token))


@asynccontextmanager
async def opened(engine: Engine, tasks: Tasks, cwd: Path) -> AsyncIterator[Client]:
    """A client of an engine in this process, which may do everything; relative paths that it
    names start from `cwd`. Raises `JournalError`."""
    from stoker.server.app import unguarded

    settings = Settings(directory=engine.directory, roots=(cwd, Path("/")), rate=0)
    service = Service(settings, engine.journal, engine, Tokens(engine.directory), tasks)
    async with service.running(), client(unguarded(service), NOBODY) as stoker:
        yield stoker


class InProcess(httpx.AsyncBaseTransport):
    """Hands requests to an app, as whoever has the token; answers come as they are made."""

    def __init__(self, app: ASGIApp, token: Token) -> None:
        self._app = app
        self._token = token

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = _Answer(await request.aread())
        path, _, query = request.url.raw_path.partition(b"?")
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.url.path,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": None,
            "client": None,
            "state": {"token": self._token},
        }
        answer.task = asyncio.ensure_future(
            self._app(scope, answer.receive, answer.send)  # type: ignore[arg-type]
        )
        start = await answer.next()
        return httpx.Response(start["status"], headers=start["headers"], stream=answer)


class _Answer(httpx.AsyncByteStream):
    """What the app sends, at most a few messages ahead of its reader."""

    task: asyncio.Future[None]

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue(4)
        self._gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self._body is None:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        await self._sent.put(message)

    async def next(self) -> dict[str, Any]:
        """The next message. Raises what the app does."""
        coming = asyncio.ensure_future(self._sent.get())
        both: set[asyncio.Future[Any]] = {coming, self.task}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return coming.result()
        coming.cancel()
        self.task.result()
        raise httpx.RemoteProtocolError("the app has ended without an answer")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.next()
            more = message.get("more_body", False)
            yield message.get("body", b"")

    async def aclose(self) -> None:
        self._gone.set()
        self.task.cancel()
        await asyncio.wait({self.task})
