"""The process: sockets, signals, and the order in which things begin and end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from stoker.client.local import announced
from stoker.engine.engine import Engine
from stoker.journal.base import Journal
from stoker.log import get_logger
from stoker.server.app import build
from stoker.server.guard import HEADER_BYTES, PEER
from stoker.server.peer import Peer
from stoker.server.service import Service
from stoker.server.settings import BadSettings, Settings
from stoker.server.tokens import Tokens
from stoker.tasks.service import opened

log = get_logger(__name__)

_FRAME_BYTES = 64 * 1024
_PARTS = 64
_PING_SEC = 20.0
_HEADERS_SEC = 10.0
_KEEP_SEC = 60
"""How long a connection may stay without a request: longer than clients keep theirs, or they would
send something just when it is closed, and not know whether it arrived."""
_CONNECTIONS = 2000
"""At once; more are answered 503."""
_GRACE_SEC = 10
"""How long responses may take to end when the server does."""


async def serve(
    settings: Settings, journal: Journal, engine: Engine, ready: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT: then no connection is accepted any more, streams end,
    responses are finished, and whoever owns `engine` suspends its runs.

    `ready` is told the URL once requests are answered. Raises `BadSettings`, `JournalError`.
    """
    tokens = Tokens(settings.directory)
    has_tokens = bool(tokens.all())
    settings.check(has_tokens=has_tokens)
    if not has_tokens:
        log.warning(
            "everybody on this machine, but for agents, may do all that this server can: "
            "`stoker serve token create` ends that"
        )
    # What was under way goes on before anybody asks how it stands.
    tasks = await engine.shared(opened)
    service = Service(settings, journal, engine, tokens, tasks)
    listener = _listen(settings)
    server = _Server(_config(settings, service), service.stopping)
    address = listener.getsockname()
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    url = f"{settings.scheme}://{host}:{address[1]}"

    def begin() -> None:
        stack.enter_context(announced(settings.directory, settings.journal, url, tokens.own))
        ready(url)

    server.on_started = begin
    try:
        service.background += [service.take_up, tasks.schedule.run]
        async with tasks.starter.spares, service.running():
            log.info("serving", url=url)
            with ExitStack() as stack:
                await server.serve(sockets=[listener])
    finally:
        listener.close()
    log.info("stopped")


class _Server(uvicorn.Server):
    """Leaves signals to the event loop, and exits without raising them again."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self.on_started: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        log.info("stopping")
        self.force_exit = self.should_exit  # the second time
        self.should_exit = True
        self._stopping.set()


class _Protocol(H11Protocol):
    """Does not wait for ever for the headers of a connection's first request, and knows who made
    it."""

    _deadline: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        ends = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        self.app_state = {**self.app_state, PEER: Peer(*ends)}
        self._deadline = self.loop.call_later(_HEADERS_SEC, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    def _late(self) -> None:
        if self.scope is None:
            self.transport.abort()


class _Socket(WebSocketsSansIOProtocol):
    """Takes no message of many parts: empty ones are never too long together."""

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        super().handle_cont(event)
        if len(self.frames) > _PARTS:
            self.frames = []
            self.conn.fail(1009, "too many parts")
            self.handle_parser_exception()


def _config(settings: Settings, service: Service) -> uvicorn.Config:
    # It tells of requests without saying who they are from, and prints tracebacks unredacted.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
    return uvicorn.Config(
        build(service),
        lifespan="off",
        http=_Protocol,
        ws=_Socket,
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=2 * HEADER_BYTES,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_KEEP_SEC,
        timeout_graceful_shutdown=_GRACE_SEC,
        ws_max_size=_FRAME_BYTES,
        ws_ping_interval=_PING_SEC,
        ws_ping_timeout=_PING_SEC,
        ws_per_message_deflate=False,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )


def _listen(settings: Settings) -> socket.socket:
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BadSettings(f"{settings.host} port {settings.port}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise BadSettings(f"{settings.host} port {settings.port}: {error.strerror}") from error
    return listener
