"""The journal in a SQLite file: no server, and a commit costs microseconds.

Methods are coroutines that never suspend: a commit is done before another task can run, and
waiting for a thread would cost ten times what the database does.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stoker.journal import rows
from stoker.journal.base import Durability, EngineIdentity, JournalError, Lease
from stoker.journal.events import Event
from stoker.journal.inbox import Inbox, Outbox, address
from stoker.journal.lagging import LaggingProjection
from stoker.journal.sql import SqlJournal
from stoker.journal.sqlite_file import explain, open_database
from stoker.journal.waits import DeathWatch
from stoker.log import get_logger

log = get_logger(__name__)

_EPOCH = "SELECT lease_epoch FROM runs WHERE run_id = ?"
_LAST = "SELECT COALESCE(MAX(sequence), 0) FROM run_events WHERE run_id = ?"
_EVENT = f"INSERT INTO run_events ({', '.join(rows.EVENT_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_APPLIED = "UPDATE run_commands SET applied_at = ? WHERE run_id = ? AND id = ?"


class SqliteJournal(SqlJournal):
    """A `Journal` in one file (and its `-wal` and `-shm`). Belongs to one event loop; any
    number of processes may have the file open. Raises what `open_database` raises."""

    def __init__(self, path: Path, *, durability: Durability = "process") -> None:
        super().__init__(str(path))
        self._db = open_database(path)
        self._path = os.path.realpath(path)
        self._outbox = Outbox()
        self._projection = LaggingProjection(self._db, self._catch_up)
        self._last: dict[str, tuple[int, int]] = {}
        """By run: the epoch under which this journal wrote last, and the last sequence."""
        self._always_synced = durability == "power"
        if self._always_synced:
            self._db.execute("PRAGMA synchronous = FULL")

    async def acquire(self, run_id: str, engine: EngineIdentity) -> Lease:
        lease = await super().acquire(run_id, engine)
        self._projection.forget(run_id)
        self._catch_up(run_id)
        return lease

    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        self._last.pop(lease.run_id, None)
        self._catch_up(lease.run_id)
        self._projection.forget(lease.run_id)

    async def commit(
        self,
        lease: Lease,
        events: Sequence[Event],
        *,
        applied: Sequence[int] = (),
        barrier: bool = False,
    ) -> None:
        self.commit_now(lease, events, applied=applied, barrier=barrier)

    def commit_now(
        self,
        lease: Lease,
        events: Sequence[Event],
        *,
        applied: Sequence[int] = (),
        barrier: bool = False,
    ) -> None:
        run_id = lease.run_id
        event_rows = rows.event_tuples(run_id, events) if events else []
        execute = self._db.execute
        sync = barrier and not self._always_synced
        try:
            if sync:
                execute("PRAGMA synchronous = FULL")
            execute("BEGIN IMMEDIATE")
            (epoch,) = execute(_EPOCH, (run_id,)).fetchone() or (None,)
            if epoch != lease.epoch:
                raise self._lost(lease)  # noqa: TRY301
            if event_rows:
                self._follow_on(lease, event_rows[0][1])
                self._db.executemany(_EVENT, event_rows)
                self._projection.follow(run_id, events)
            if applied:
                now = time.time()
                done = [(now, run_id, number) for number in applied]
                self._db.executemany(_APPLIED, done)
            execute("COMMIT")
        except BaseException as error:
            self._rollback()
            self._projection.forget(run_id)
            if isinstance(error, sqlite3.Error):
                raise explain(error, self.location) from error
            raise
        finally:
            if sync:
                execute("PRAGMA synchronous = NORMAL")
        if event_rows:
            self._last[run_id] = lease.epoch, event_rows[-1][1]
        self._announce()

    def _follow_on(self, lease: Lease, first: int) -> None:
        """Raises `JournalError` unless sequence `first` follows the last one of the run."""
        epoch, last = self._last.get(lease.run_id, (0, 0))
        if epoch != lease.epoch:
            (last,) = self._db.execute(_LAST, (lease.run_id,)).fetchone()
        if first != last + 1:
            raise JournalError(
                f"run {lease.run_id}: sequence {first} does not follow the last one, {last}"
            )

    def _catch_up(self, run_id: str) -> None:
        """Project what is not yet. What the database refuses now waits for the next time:
        the events are there, and readers fold them."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._projection.project(run_id)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            self._projection.forget(run_id)
            log.warning("projection is late", run_id=run_id, error=str(error))

    @asynccontextmanager
    async def inbox(self, engine: EngineIdentity, wake: Callable[[], None]) -> AsyncIterator[None]:
        try:
            inbox = Inbox(address(self._path, engine.engine_id), wake)
        except OSError as error:
            raise JournalError(f"{self.location}: no inbox for this engine: {error}") from error
        watch = self._watches[engine.engine_id] = DeathWatch(wake)
        try:
            yield
        finally:
            del self._watches[engine.engine_id]
            watch.close()
            inbox.close()

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[None]]:
        from asyncinotify import Inotify, Mask

        with Inotify() as inotify:
            # Not the -wal: it is written before the commit can be seen. See _announce.
            inotify.add_watch(self._path, Mask.ATTRIB)

            async def stream() -> AsyncIterator[None]:
                yield
                while True:
                    # The kernel merges equal events that wait: a slow reader gets one.
                    await inotify.get()
                    yield

            yield stream()

    async def check(self) -> list[str]:
        try:
            async with self.snapshot() as session:
                unsound = [text for (text,) in await session.fetch("PRAGMA integrity_check")]
                if unsound != ["ok"]:
                    return unsound
                unsound = [
                    f"{table}: row {row} names a {parent} that does not exist"
                    for table, row, parent, _ in await session.fetch("PRAGMA foreign_key_check")
                ]
        except JournalError as error:
            return [str(error)]
        return unsound + await super().check()

    async def close(self) -> None:
        self._projection.close()
        self._outbox.close()
        self._db.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_SqliteSession]:
        session = _SqliteSession(self)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield session
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise explain(error, self.location) from error
        except BaseException:
            self._rollback()
            raise
        for engine_id in session.to_wake:
            self._outbox.send(address(self._path, engine_id))
        self._announce()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[_SqliteSession]:
        try:
            self._db.execute("BEGIN")
            yield _SqliteSession(self)
        except sqlite3.Error as error:
            raise explain(error, self.location) from error
        finally:
            self._rollback()

    async def _fetch(self, sql: str, *args: Any) -> list[rows.Row]:
        try:
            return _fetch(self._db, sql, args)
        except sqlite3.Error as error:
            raise explain(error, self.location) from error

    def _rollback(self) -> None:
        # A full disk or a failing one may have made SQLite roll back by itself.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _announce(self) -> None:
        """Tell `changes` in every process. The write to the -wal cannot: a reader that it
        woke might look before the commit is visible, and nothing would wake it again."""
        try:
            os.utime(self._path)
        except OSError:
            # The commit stands, and readers of a file that is gone have nothing to hear.
            return


def _fetch(db: sqlite3.Connection, sql: str, args: Sequence[Any]) -> list[rows.Row]:
    # Python 3.12.1 takes `?1` for a name, and wants names in a mapping: `:1` is one for all.
    names = {str(number): value for number, value in enumerate(args, 1)}
    return db.execute(sql.replace("?", ":"), names).fetchall()


class _SqliteSession:
    def __init__(self, journal: SqliteJournal) -> None:
        self._db = journal._db
        self.to_wake: set[str] = set()

    async def fetch(self, sql: str, *args: Any) -> list[rows.Row]:
        return _fetch(self._db, sql, args)

    async def fetch_locked(self, sql: str, *args: Any) -> list[rows.Row]:
        return await self.fetch(sql, *args)  # BEGIN IMMEDIATE locked out every other writer

    async def lock_claims(self) -> None:
        return

    async def now(self) -> float:
        return time.time()

    async def wake(self, engine_ids: Iterable[str]) -> None:
        self.to_wake.update(engine_ids)
