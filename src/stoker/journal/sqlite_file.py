"""Opening a SQLite file as a journal, and saying plainly why SQLite could not do something."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from stoker.journal.base import JournalError
from stoker.journal.migrate import pending

_APPLICATION_ID = 0x53744B72  # "StKr"
_BUSY_SEC = 10.0
"""How long another process may hold the write lock before we give up."""

_HEADER = """
    SELECT user_version, application_id, (SELECT COUNT(*) FROM sqlite_master)
    FROM pragma_user_version, pragma_application_id"""
"""One statement, so that it sees one state while another process creates the journal."""

_UNWRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)

_PLAIN = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk failed, or it is full or a file-size limit was met",
    sqlite3.SQLITE_READONLY: "nothing can be written: it is read-only, or its disk is full",
    sqlite3.SQLITE_PERM: "no permission",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: not a file, no permission, no such directory, "
    "or a read-only file system",
    sqlite3.SQLITE_BUSY: f"another process has kept it locked for {_BUSY_SEC:.0f} s",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a copy or name another journal",
    sqlite3.SQLITE_NOTADB: "not a SQLite database",
}


def explain(error: sqlite3.Error, location: str) -> JournalError:
    """The error for a person: where, what, and SQLite's own words."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    plain = _PLAIN.get(code, "the database failed")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return JournalError(f"{location}: {plain} ({name}: {error})")


def open_database(path: Path) -> sqlite3.Connection:
    """Open the journal at `path`, creating it (readable by its owner only) and bringing its
    schema up to date as needed. Any number of processes may do so at once. Where nothing can
    be written it can still be read.

    Raises `JournalTooNew`, and `JournalError` for a file that is not a journal or cannot be
    opened. The connection is in autocommit mode and in synchronous mode NORMAL.
    """
    try:
        _create(path)
        connection = _connect(path)
    except sqlite3.Error as error:
        raise explain(error, str(path)) from error
    except OSError as error:
        raise JournalError(f"{path}: cannot be created: {error.strerror}") from error
    try:
        _prepare(connection, str(path))
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, str(path)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SEC, isolation_level=None)
    try:
        connection.execute(_HEADER).fetchone()
    except sqlite3.Error as error:
        connection.close()
        log = Path(f"{path}-wal")
        unwritten = not log.exists() or log.stat().st_size == 0
        if not unwritten or error.sqlite_errorcode & 0xFF not in _UNWRITABLE:
            raise
        # There is nothing in its log, nor can be: what the file holds is all, and stays so.
        place = f"{path.absolute().as_uri()}?immutable=1"
        connection = sqlite3.connect(place, uri=True, isolation_level=None)
    return connection


def _create(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # O_EXCL also because closing a descriptor of a file that this process has open as a
        # database would drop SQLite's locks.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def _prepare(db: sqlite3.Connection, location: str) -> None:
    db.execute("PRAGMA synchronous = NORMAL")
    if pending("sqlite", _version(db, location), location):
        _migrate(db, location)
    # The checkpoint is what costs; in greater portions it costs less per commit.
    db.execute("PRAGMA wal_autocheckpoint = 4000")


def _version(db: sqlite3.Connection, location: str) -> int:
    version, application, tables = db.execute(_HEADER).fetchone()
    if application != _APPLICATION_ID and (version or tables):
        raise JournalError(f"{location}: a SQLite database, but not a journal of Stoker's")
    return int(version)


def _migrate(db: sqlite3.Connection, location: str) -> None:
    mode = _switch_to_wal(db)
    if mode != "wal":
        raise JournalError(
            f"{location}: its file system cannot hold a shared journal (journal mode {mode}, "
            "WAL is needed); put it on a local disk or use PostgreSQL"
        )
    db.execute("BEGIN IMMEDIATE")
    try:
        # Asked again under the lock: another process may have been faster.
        for version, script in pending("sqlite", _version(db, location), location):
            for statement in _statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {version}")
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _switch_to_wal(db: sqlite3.Connection) -> str:
    # Unlike everything else it does not wait while another process does the same.
    deadline = time.monotonic() + _BUSY_SEC
    while True:
        try:
            mode: str = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return mode


def _statements(script: str) -> Iterator[str]:
    # Connection.executescript would end our transaction first.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
