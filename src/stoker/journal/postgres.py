"""The journal in PostgreSQL, for teams: same schema, same contract, one round trip a commit.

Needs the extra `stoker[postgres]`; only `postgres_connection` imports asyncpg.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from msgspec.structs import replace

from stoker.journal import rows
from stoker.journal.base import Circuit, Durability, EngineIdentity, JournalError, Lease
from stoker.journal.events import Event
from stoker.journal.migrate import pending
from stoker.journal.postgres_commit import COMMIT, commit_arguments
from stoker.journal.postgres_connection import ConnectionLost, Connections, connections
from stoker.journal.sql import SqlJournal
from stoker.journal.waits import DeathWatch

if TYPE_CHECKING:
    from stoker.journal.postgres_connection import Connection

_CHANGES = "stoker_changes"
"""Channel; a notification's payload is the id of the run."""
_INBOX = "stoker_inbox"
"""Channel; a notification's payload is the id of the engine to wake."""
_MIGRATION_LOCK = 0x53744B72  # "StKr"
_TRIES = 2
_PATIENCE_SEC = 3600.0
"""For statements that go through whole tables, and that no lease waits for."""

P = ParamSpec("P")
T = TypeVar("T")


async def open_postgres(url: str, *, durability: Durability = "process") -> PostgresJournal:
    """Connect and bring the schema up to date. Raises `JournalTooNew`, `JournalError`."""
    journal = PostgresJournal(await connections(url, durability))
    try:
        await journal.migrate()
    except BaseException:
        await journal.close()
        raise
    return journal


def _again(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The method, called once more if the connection is lost under it."""

    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except ConnectionLost:
            return await method(*args, **kwargs)

    return call


class PostgresJournal(SqlJournal):
    """A `Journal` in a PostgreSQL database, in the schema first on its search path. Belongs
    to one event loop. Made by `open_postgres`."""

    local = False
    commit_now = None

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections.location)
        self._connections = connections

    async def migrate(self) -> None:
        """Bring the schema up to date, under a lock against others who do the same."""
        async with self._connections.lend() as connection:
            if not pending("postgres", await _version(connection), self.location):
                return
            async with connection.transaction():
                await connection.execute(
                    "SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK, timeout=_PATIENCE_SEC
                )
                await connection.execute(
                    "CREATE TABLE IF NOT EXISTS stoker_schema (version integer PRIMARY KEY)"
                )
                found = await _version(connection)
                for version, script in pending("postgres", found, self.location):
                    await connection.execute(script, timeout=_PATIENCE_SEC)
                    await connection.execute("INSERT INTO stoker_schema VALUES ($1)", version)

    async def commit(
        self,
        lease: Lease,
        events: Sequence[Event],
        *,
        applied: Sequence[int] = (),
        barrier: bool = False,
    ) -> None:
        arguments = commit_arguments(lease, events, applied=applied, barrier=barrier)
        first, last = (events[0].sequence, events[-1].sequence) if events else (0, None)
        for tries in range(1, _TRIES + 1):
            try:
                async with self._connections.lend() as connection:
                    passed = await connection.fetch(COMMIT, *arguments)
                    if passed:
                        return
                    session = _PostgresSession(connection)
                    refused = await self._refused(session, lease, first)
                    # After a lost connection the fence tells: only this lease can have
                    # brought the sequence to where this commit ends.
                    if tries > 1 and last == await _last_sequence(session, lease):
                        return
                    raise refused
            except ConnectionLost as error:
                if tries == _TRIES:
                    raise JournalError(
                        f"{error}; whether events {first} to {last} of run {lease.run_id} were "
                        "committed is not known"
                    ) from error

    @asynccontextmanager
    async def inbox(self, engine: EngineIdentity, wake: Callable[[], None]) -> AsyncIterator[None]:
        def heard(engine_id: str | None) -> None:
            if engine_id is None or engine_id == engine.engine_id:
                wake()

        async with self._connections.listen(_INBOX, heard):
            watch = self._watches[engine.engine_id] = DeathWatch(wake)
            try:
                yield
            finally:
                del self._watches[engine.engine_id]
                watch.close()

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[None]]:
        changed = asyncio.Event()
        changed.set()

        async def stream() -> AsyncIterator[None]:
            while True:
                await changed.wait()
                changed.clear()
                yield

        async with self._connections.listen(_CHANGES, lambda _: changed.set()):
            yield stream()

    async def close(self) -> None:
        await self._connections.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_PostgresSession]:
        async with self._connections.lend() as connection, connection.transaction():
            yield _PostgresSession(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[_PostgresSession]:
        async with (
            self._connections.lend() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield _PostgresSession(connection, patience_sec=_PATIENCE_SEC)

    @_again
    async def _fetch(self, sql: str, *args: Any) -> Sequence[rows.Row]:
        async with self._connections.lend() as connection:
            return await _PostgresSession(connection).fetch(sql, *args)

    # These can be done twice: a connection that is lost under them costs another try only.

    renew = _again(SqlJournal.renew)
    claim_locks = _again(SqlJournal.claim_locks)
    blocked_steps = _again(SqlJournal.blocked_steps)
    release_locks = _again(SqlJournal.release_locks)

    async def put_circuit(self, circuit: Circuit) -> bool:
        try:
            return await super().put_circuit(circuit)
        except ConnectionLost:
            if await super().put_circuit(circuit):
                return True
            # It may have been written before the connection died.
            return await self.circuit(circuit.tool) == replace(circuit, version=circuit.version + 1)


async def _version(connection: Connection) -> int:
    if await connection.fetchval("SELECT to_regclass('stoker_schema')") is None:
        return 0
    version: int = await connection.fetchval("SELECT COALESCE(MAX(version), 0) FROM stoker_schema")
    return version


async def _last_sequence(session: _PostgresSession, lease: Lease) -> int | None:
    found = await session.fetch(
        "SELECT last_sequence FROM runs WHERE run_id = ?1 AND lease_epoch = ?2",
        lease.run_id,
        lease.epoch,
    )
    return found[0][0] if found else None


class _PostgresSession:
    def __init__(self, connection: Connection, *, patience_sec: float | None = None) -> None:
        self._connection = connection
        self._patience_sec = patience_sec
        """None: the connection's own."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[rows.Row]:
        found: Any = await self._connection.fetch(
            sql.replace("?", "$"), *args, timeout=self._patience_sec
        )
        return found  # type: ignore[no-any-return]

    async def fetch_locked(self, sql: str, *args: Any) -> Sequence[rows.Row]:
        return await self.fetch(f"{sql} FOR UPDATE", *args)

    async def lock_claims(self) -> None:
        await self._connection.execute("LOCK TABLE lock_claims IN EXCLUSIVE MODE")

    async def now(self) -> float:
        now: float = await self._connection.fetchval(
            "SELECT extract(epoch FROM clock_timestamp())::float8"
        )
        return now

    async def wake(self, engine_ids: Iterable[str]) -> None:
        for engine_id in sorted(engine_ids):
            await self._connection.execute("SELECT pg_notify($1, $2)", _INBOX, engine_id)
