"""Streams to clients: server-sent events and WebSockets, which end when the server does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from anyio import CancelScope
from litestar import Litestar, Request
from litestar.exceptions import WebSocketDisconnect
from litestar.response import Stream as LitestarStream
from litestar.types import ASGIApp, Receive, Scope, Send

from stoker.server.guard import subprotocol
from stoker.server.params import Socket
from stoker.server.service import Service

T = TypeVar("T")
U = TypeVar("U")

SSE = "text/event-stream"
_HEARTBEAT_SEC = 15.0
"""After so much silence a stream tells that it is alive."""
_NORMAL, _UNEXPECTED, _RESTART = 1000, 1008, 1012


async def alive(items: AsyncIterator[T], service: Service) -> AsyncIterator[T | None]:
    """The items, None after each silence, until there are no more or the server stops."""
    stopping = asyncio.ensure_future(service.stopping.wait())
    coming: asyncio.Future[T] | None = None
    service.streams += 1
    try:
        while not stopping.done():
            coming = coming or asyncio.ensure_future(anext(items))
            waiting: set[asyncio.Future[Any]] = {coming, stopping}
            await asyncio.wait(
                waiting,
                timeout=_HEARTBEAT_SEC,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if coming.done():
                try:
                    item = coming.result()
                except StopAsyncIteration:
                    return
                coming = None
                yield item
            elif not stopping.done():
                yield None
    finally:
        service.streams -= 1
        stopping.cancel()
        with CancelScope(shield=True):  # the response's own scope would cancel each wait anew
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
            if isinstance(items, AsyncGenerator):
                await items.aclose()


async def each(items: AsyncIterator[T], made: Callable[[T], U]) -> AsyncIterator[U]:
    """What is made of each item. Closes the items with itself, as no generator expression does."""
    async with aclosing(items) as found:  # type: ignore[type-var]
        async for item in found:
            yield made(item)


class Stream(LitestarStream):
    """Closes what it sends, also when its reader goes while a part is on its way."""

    def to_asgi_response(  # type: ignore[override] # nobody asks for more than an ASGI app
        self, app: Litestar | None, request: Request[Any, Any, Any], **options: Any
    ) -> ASGIApp:
        response = super().to_asgi_response(app, request, **options)

        async def closing(scope: Scope, receive: Receive, send: Send) -> None:
            async with aclosing(self.iterator):  # type: ignore[type-var]
                await response(scope, receive, send)

        return closing


Told = tuple[str, str, Any]
"""Id, name and data of a server-sent event."""


def sse(items: AsyncIterator[Sequence[Told]], service: Service) -> Stream:
    """A response of events, what there is at once together; data becomes JSON. Those without a
    name are what a browser's `EventSource.onmessage` gets. The last is named `end`: a stream that
    breaks off has none."""

    async def lines() -> AsyncIterator[bytes]:
        yield b": connected\n\n"
        async with aclosing(alive(items, service)) as feed:  # type: ignore[type-var]
            async for some in feed:
                yield b": alive\n\n" if some is None else b"".join(map(_event, some))
        if not service.stopping.is_set():
            yield b"event: end\ndata:\n\n"

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(lines(), media_type=SSE, headers=headers)


async def numbered(items: AsyncIterator[Any], after: int) -> AsyncIterator[Sequence[Told]]:
    """Items that come in the same order each time, as events by their number, but the first
    `after`."""
    number = 0
    async with aclosing(items) as found:  # type: ignore[type-var]
        async for item in found:
            number += 1
            if number > after:
                yield [(str(number), "", item)]


def _event(told: Told) -> bytes:
    place, name, data = told
    named = f"event: {name}\n" if name else ""
    return f"id: {place}\n{named}data: ".encode() + msgspec.json.encode(data) + b"\n\n"


async def send(
    socket: Socket,
    items: AsyncIterator[Sequence[bytes | str]],
    service: Service,
    *,
    deaf: bool = False,
) -> None:
    """Accept, send text and bytes as frames of their kind, and close: 1000 when there are no
    more, 1012 when the server stops. A client that sends anything is closed with 1008, unless
    `deaf`."""
    await socket.accept(subprotocols=subprotocol(socket.scope))
    sending = asyncio.ensure_future(_send(socket, items, service))
    listening = asyncio.ensure_future(_listen(socket, deaf=deaf))
    try:
        await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
            code = _RESTART if service.stopping.is_set() else _NORMAL
            await socket.close(code=code)
        elif listening.result():
            await socket.close(code=_UNEXPECTED, reason="this stream takes no messages")
    except WebSocketDisconnect:
        return
    finally:
        for task in (sending, listening):
            task.cancel()
        await asyncio.wait({sending, listening})


async def _send(
    socket: Socket, items: AsyncIterator[Sequence[bytes | str]], service: Service
) -> None:
    async with aclosing(alive(items, service)) as feed:  # type: ignore[type-var]
        async for some in feed:
            for frame in some or ():  # the protocol has its own pings
                if isinstance(frame, bytes):
                    await socket.send_bytes(frame)
                else:
                    await socket.send_text(frame)
            if service.stopping.is_set():
                return


async def _listen(socket: Socket, *, deaf: bool) -> bool:
    """Whether the client has sent something that matters; False: it has gone."""
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return False
        if not deaf:
            return True
