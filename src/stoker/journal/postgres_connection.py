"""Connections to PostgreSQL: how they are made, lent, lost and found again."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import asyncpg

from stoker.journal.base import Durability, JournalError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]

# What matters of it leaves as `JournalError`; with no handler at all, Python would print it.
logging.getLogger("asyncpg").addHandler(logging.NullHandler())

_MAX_CONNECTIONS = 8
_CONNECT_SEC = 10.0
_STATEMENT_SEC = 10.0
"""A server that does not answer a statement for so long counts as gone; well under a lease."""
_CLOSE_SEC = 5.0
_RECONNECT_DELAYS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between attempts to reach a server that was reached before; well under a lease."""

_KEEPALIVE = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 25_000,
}
"""25 s of silence end a connection: less than a lease. In s, the last in ms."""
_SERVER_KEEPALIVE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
    "idle_in_transaction_session_timeout": "10000",
}
"""The same for the server's side: what an engine that vanished had locked is free again."""

_UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
_REFUSED = (asyncpg.PostgresError, asyncpg.InterfaceError)


class ConnectionLost(JournalError):
    """The connection died; what it was doing may or may not have happened."""


def public_location(url: str) -> str:
    """`url` without user, password and parameters."""
    scheme, _, rest = url.partition("://")
    place, _, parameters = rest.partition("?")
    if "@" in parameters:
        return f"{scheme}://..."  # the ? may stand in an unquoted password
    return f"{scheme}://{place.rpartition('@')[2]}"


class Connections:
    """A pool, and connections of their own for listening. Errors of the database leave as
    `JournalError`, a dying connection's as `ConnectionLost`. Made by `connections`."""

    def __init__(
        self, location: str, connect: Callable[[], Any], pool: asyncpg.Pool[asyncpg.Record]
    ) -> None:
        self.location = location
        self._connect = connect
        self._pool = pool

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """A connection of the pool; a server that restarts is waited for a while."""
        connection = await self._acquire()
        try:
            yield connection
        except TimeoutError as error:
            _hang_up(connection)
            raise ConnectionLost(
                f"{self.location}: connection lost: no answer for {_STATEMENT_SEC:g} s"
            ) from error
        except asyncio.CancelledError:
            _hang_up(connection)
            raise
        except _UNREACHABLE as error:
            raise ConnectionLost(f"{self.location}: connection lost: {error}") from error
        except asyncpg.PostgresError as error:
            raise _failure(self.location, error) from error
        except asyncpg.InterfaceError as error:
            if _is_closed(connection):
                raise ConnectionLost(f"{self.location}: connection lost: {error}") from error
            raise _failure(self.location, error) from error
        finally:
            await self._pool.release(connection)

    async def _acquire(self) -> Connection:
        for delay in _RECONNECT_DELAYS:
            try:
                return await self._pool.acquire()
            except _UNREACHABLE:
                await asyncio.sleep(delay)
            except _REFUSED as error:
                raise _failure(self.location, error) from error
        try:
            return await self._pool.acquire()
        except (*_REFUSED, *_UNREACHABLE) as error:
            raise _failure(self.location, error) from error

    @asynccontextmanager
    async def listen(
        self, channel: str, heard: Callable[[str | None], None]
    ) -> AsyncIterator[None]:
        """Call `heard` with each payload, and with None after a gap, when the connection
        died and came back and what was said meanwhile is unknown."""
        lost = asyncio.Event()

        async def subscribe() -> asyncpg.Connection[asyncpg.Record]:
            connection: asyncpg.Connection[asyncpg.Record] = await self._connect()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(channel, lambda *said: heard(said[3]))
            return connection

        try:
            connection = await subscribe()
        except (*_REFUSED, *_UNREACHABLE) as error:
            raise _failure(self.location, error) from error

        async def keep() -> None:
            nonlocal connection
            delays = iter(_RECONNECT_DELAYS)
            while True:
                await lost.wait()
                try:
                    connection = await subscribe()
                except (*_REFUSED, *_UNREACHABLE):
                    await asyncio.sleep(next(delays, _RECONNECT_DELAYS[-1]))
                    continue
                delays = iter(_RECONNECT_DELAYS)
                lost.clear()
                heard(None)

        keeper = asyncio.create_task(keep(), name=f"listen to {channel}")
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
            connection.terminate()

    async def close(self) -> None:
        with suppress(TimeoutError):  # a server that says nothing is left without a goodbye
            async with asyncio.timeout(_CLOSE_SEC):
                await self._pool.close()


async def connections(url: str, durability: Durability) -> Connections:
    """Connect to the server at `url`. Raises `JournalError`, without credentials."""
    location = public_location(url)
    # One plan serves every batch; to plan anew costs as much as a third of a commit.
    settings = {
        "application_name": "stoker",
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",
        **_SERVER_KEEPALIVE,
    }
    if durability == "power":
        settings["synchronous_commit"] = "on"

    async def connect(*_: Any, **__: Any) -> asyncpg.Connection[asyncpg.Record]:
        try:
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
                url,
                timeout=_CONNECT_SEC,
                command_timeout=_STATEMENT_SEC,
                server_settings=settings,
            )
        except ValueError:
            # asyncpg quotes the piece it could not read, which may be of the password.
            raise JournalError(
                f"{location}: not a PostgreSQL URL: expected "
                "postgresql://user:password@host:port/database, with special characters "
                "percent-encoded"
            ) from None
        _keep_alive(connection)
        return connection

    async def nothing(_: Any) -> None:
        """No session state outlives a transaction here: spare the round trip."""

    try:
        pool = await asyncpg.create_pool(
            connect=connect, min_size=1, max_size=_MAX_CONNECTIONS, reset=nothing
        )
    except (*_REFUSED, *_UNREACHABLE) as error:
        raise _failure(location, error) from error
    return Connections(location, connect, pool)


def _keep_alive(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Have a peer that vanished without a word noticed before a lease runs out; who only
    listens would never notice."""
    link: socket.socket = cast("Any", connection)._transport.get_extra_info("socket")
    if link.family in (socket.AF_INET, socket.AF_INET6):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            link.setsockopt(socket.IPPROTO_TCP, option, value)


def _hang_up(connection: Connection) -> None:
    """End it here: to give it back would wait for the server's word."""
    if not _is_closed(connection):
        connection.terminate()


def _is_closed(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has seen its end already
        return True


def _failure(location: str, error: BaseException) -> JournalError:
    silent = "no answer in time" if isinstance(error, TimeoutError) else "the connection failed"
    return JournalError(f"{location}: {str(error) or silent}")
