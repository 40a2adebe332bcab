"""HTTP/1.1 to one server, over connections that are kept: h11 on asyncio's streams.

httpx would do as much, with 5 MB more in each agent's process and twice the time of a step.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

import h11

if TYPE_CHECKING:
    from ssl import SSLContext

_KEPT_SEC: Final = 5.0
"""How long a connection may have waited; servers and what is between forget them some time."""
_CONNECT_SEC: Final = 20.0
_PIECE: Final = 1 << 16
_PORTS: Final = {"http": 80, "https": 443}

Headers = list[tuple[str, str]]
Event = h11.Event | type[h11.PAUSED]


class Unreachable(Exception):
    """No answer, or one that breaks off or is no HTTP."""


class Response:
    """An answer, of which the body is yet to be read."""

    def __init__(self, head: h11.Response, connection: _Connection) -> None:
        self.status = head.status_code
        self.headers: Mapping[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers
        }
        """By lower-case name."""
        self._connection = connection

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `Unreachable`."""
        while isinstance(event := await self._connection.event(), h11.Data):
            yield bytes(event.data)


class Http:
    """Requests to `url`, by the proxy that the environment names, if it does. Raises
    `ValueError`."""

    def __init__(self, url: str, headers: Mapping[str, str], *, seconds: float) -> None:
        """`seconds`: silence that counts as a failure."""
        self._url = _split(url)
        self._proxy = _proxy_of(self._url)
        self._seconds = seconds
        self._host = host = self._url.netloc.rpartition("@")[2]
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        more = [("Host", host), ("User-Agent", "stoker"), *_credentials("Authorization", self._url)]
        if self._proxy is not None and not self._secret:
            target = f"http://{host}{target}"
            more += _credentials("Proxy-Authorization", self._proxy)
        self._target = target
        self._headers = [*more, *headers.items()]
        self._kept: list[_Connection] = []

    @asynccontextmanager
    async def post(self, content: bytes) -> AsyncIterator[Response]:
        """Raises `Unreachable`."""
        connection = self._waiting() or await self._connect()
        try:
            headers = [*self._headers, ("Content-Length", str(len(content)))]
            head = await connection.ask("POST", self._target, headers, content)
            yield Response(head, connection)
            if connection.over:
                self._kept.append(connection)
        finally:
            if connection not in self._kept:
                connection.abort()

    def close(self) -> None:
        """End the connections that wait."""
        while self._kept:
            self._kept.pop().abort()

    @property
    def _secret(self) -> bool:
        return self._url.scheme == "https"

    def _waiting(self) -> _Connection | None:
        while self._kept:
            connection = self._kept.pop()
            if connection.fresh():
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        near = self._proxy or self._url
        with ExitStack() as undo:
            try:
                async with asyncio.timeout(min(self._seconds, _CONNECT_SEC)):
                    reader, writer = await asyncio.open_connection(
                        near.hostname,
                        near.port or _PORTS[near.scheme],
                        ssl=self._tls if near.scheme == "https" else None,
                        happy_eyeballs_delay=0.25,
                    )
                    connection = _Connection(reader, writer, self._seconds)
                    undo.callback(connection.abort)
                    if self._proxy is not None and self._secret:
                        await self._tunnel(connection, self._proxy)
                        connection = _Connection(reader, writer, self._seconds)
            except (OSError, UnicodeError) as error:
                why = str(error) or f"no connection in {_CONNECT_SEC:g} s"
                raise Unreachable(f"{near.hostname}: {why}") from error
            undo.pop_all()
        return connection

    async def _tunnel(self, connection: _Connection, proxy: SplitResult) -> None:
        place = self._host if self._url.port else f"{self._host}:{_PORTS['https']}"
        headers = [("Host", place), *_credentials("Proxy-Authorization", proxy)]
        head = await connection.ask("CONNECT", place, headers)
        if not 200 <= head.status_code < 300:
            raise Unreachable(f"the proxy answers {head.status_code}")
        await connection.writer.start_tls(self._tls, server_hostname=self._url.hostname)

    @cached_property
    def _tls(self) -> SSLContext:
        # Not for plain HTTP: reading the certificates takes 50 ms.
        import ssl

        import certifi

        named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        context = ssl.create_default_context(cafile=None if named else certifi.where())
        context.set_alpn_protocols(["http/1.1"])
        return context


class _Connection:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
    ) -> None:
        self.writer = writer
        self._reader = reader
        self._seconds = seconds
        self._state = h11.Connection(h11.CLIENT)
        self._since = 0.0

    @property
    def over(self) -> bool:
        """The exchange is, and another may follow; to be asked once."""
        if not self._state.our_state is self._state.their_state is h11.DONE:
            return False
        self._state.start_next_cycle()
        self._since = asyncio.get_running_loop().time()
        return True

    def fresh(self) -> bool:
        """The server is likely to be there still."""
        waited = asyncio.get_running_loop().time() - self._since
        return waited < _KEPT_SEC and not self._reader.at_eof()

    def abort(self) -> None:
        self.writer.transport.abort()

    async def ask(
        self, method: str, target: str, headers: Headers, content: bytes = b""
    ) -> h11.Response:
        """What the answer begins with. Raises `Unreachable`."""
        try:
            said = [self._state.send(h11.Request(method=method, target=target, headers=headers))]
            if content:
                said.append(self._state.send(h11.Data(data=content)))
            said.append(self._state.send(h11.EndOfMessage()))
            self.writer.writelines(filter(None, said))
            with suppress(ConnectionError):  # who does not listen may yet say why
                async with asyncio.timeout(self._seconds):
                    await self.writer.drain()
        except (TimeoutError, h11.LocalProtocolError) as error:
            raise self._failed(error) from error
        while isinstance(event := await self.event(), h11.InformationalResponse):
            pass
        assert isinstance(event, h11.Response)  # noqa: S101 - h11 has nothing else come here
        return event

    async def event(self) -> Event:
        """What comes next. Raises `Unreachable`."""
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(self._seconds):
                    data = await self._reader.read(_PIECE)
                if not data and self._state.their_state is h11.SEND_RESPONSE:
                    raise Unreachable("the server closed the connection without an answer")
                self._state.receive_data(data)
        except (OSError, h11.RemoteProtocolError) as error:
            raise self._failed(error) from error
        return event  # type: ignore[return-value]

    def _failed(self, error: Exception) -> Unreachable:
        if isinstance(error, TimeoutError):
            return Unreachable(f"nothing was heard for {self._seconds:g} s")
        return Unreachable(str(error) or type(error).__name__)


def _split(url: str) -> SplitResult:
    found = urlsplit(url)
    if found.scheme not in _PORTS or not found.hostname:
        raise ValueError(f"{url!r}: expected a URL that begins with http:// or https://")
    return found


def _proxy_of(url: SplitResult) -> SplitResult | None:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib import request

    known = request.getproxies_environment()
    found = known.get(url.scheme) or known.get("all")
    # Unlike `proxy_bypass`, this asks nobody but the environment, on any system.
    if not found or request.proxy_bypass_environment(url.netloc.rpartition("@")[2], known):  # type: ignore[attr-defined]
        return None
    return _split(found if "://" in found else f"http://{found}")


def _credentials(header: str, url: SplitResult) -> Headers:
    if url.username is None:
        return []
    import base64

    words = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return [(header, f"Basic {base64.b64encode(words.encode()).decode()}")]
