"""What was read of chains at pinned blocks, kept in one SQLite file for later runs. All of it can
be read again: a file that cannot be used is told of, and done without."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from stoker.chains.evm.job import Pin
from stoker.chains.log import log
from stoker.whole_file import make_directory

_VERSION: Final = 1
_TABLES: Final = ("pin", "account", "slot", "block", "code")
_SCHEMA: Final = """
CREATE TABLE pin (id INTEGER PRIMARY KEY AUTOINCREMENT, chain INTEGER NOT NULL, hash BLOB NOT NULL,
    used INTEGER NOT NULL, UNIQUE (chain, hash));
CREATE TABLE account (pin INTEGER NOT NULL, address BLOB NOT NULL, balance BLOB NOT NULL,
    nonce BLOB NOT NULL, code BLOB NOT NULL, PRIMARY KEY (pin, address)) WITHOUT ROWID;
CREATE TABLE slot (pin INTEGER NOT NULL, address BLOB NOT NULL, slot BLOB NOT NULL,
    value BLOB NOT NULL, PRIMARY KEY (pin, address, slot)) WITHOUT ROWID;
CREATE TABLE block (pin INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (pin, number)) WITHOUT ROWID;
CREATE TABLE code (hash BLOB PRIMARY KEY, code BLOB NOT NULL) WITHOUT ROWID;
"""


class RemoteAccount(Struct, frozen=True):
    """An account at a pinned block."""

    balance: int
    """Wei."""
    nonce: int
    code: bytes


Key = bytes | tuple[bytes, int] | int
"""What is read: the account of an address; (address, slot); the hash of a block by its number."""
Value = RemoteAccount | int | bytes


class StateStore:
    """One file, for one asker at a time; to be closed. Several processes may have it open.

    `pins`: how many blocks are kept, those used last."""

    def __init__(self, path: Path, pins: int = 64) -> None:
        self._pins = pins
        self._rows: dict[tuple[int, bytes], int] = {}
        try:
            self._database: sqlite3.Connection | None = _opened(path)
        except (OSError, sqlite3.Error) as error:
            log.warning("state of chains is not kept", path=str(path), why=str(error))
            self._database = None

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def load(self, pin: Pin, keys: Iterable[Key]) -> dict[Key, Value]:
        """Those of `keys` that are there."""
        found: dict[Key, Value] = {}
        try:
            if self._database is not None:
                row = self._row(self._database, pin)
                for key in keys:
                    if (value := _value(self._database, row, key)) is not None:
                        found[key] = value
        except sqlite3.Error as error:
            self._failed(error)
        return found

    def save(self, pin: Pin, items: Mapping[Key, Value]) -> None:
        """Keep these."""
        try:
            if self._database is not None:
                with self._database:
                    _insert(self._database, self._row(self._database, pin), items)
        except sqlite3.Error as error:
            self._failed(error)

    def _row(self, database: sqlite3.Connection, pin: Pin) -> int:
        """The number that rows of this block have. A block that is new here takes the place of
        the one not used for longest."""
        key = (pin.chain_id, pin.hash)
        if (row := self._rows.get(key)) is not None:
            return row
        with database:
            ((row,),) = database.execute(
                "INSERT INTO pin (chain, hash, used)"
                " VALUES (?, ?, (SELECT coalesce(max(used), 0) + 1 FROM pin))"
                " ON CONFLICT DO UPDATE SET used = excluded.used RETURNING id",
                key,
            ).fetchall()
            # Ids are never used twice: another process may still write under one that is gone.
            gone = database.execute(
                "DELETE FROM pin WHERE id NOT IN (SELECT id FROM pin ORDER BY used DESC LIMIT ?)"
                " RETURNING chain, hash",
                (self._pins,),
            ).fetchall()
            if gone:
                for table in _TABLES[1:4]:
                    database.execute(f"DELETE FROM {table} WHERE pin NOT IN (SELECT id FROM pin)")  # noqa: S608
                database.execute("DELETE FROM code WHERE hash NOT IN (SELECT code FROM account)")
                for one in gone:
                    self._rows.pop(one, None)
        self._rows[key] = int(row)
        return int(row)

    def _failed(self, error: sqlite3.Error) -> None:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return  # another process writes; this once nothing is kept
        log.warning("state of chains is no longer kept", why=str(error))
        self.close()


def _opened(path: Path) -> sqlite3.Connection:
    make_directory(path.parent)
    database = sqlite3.connect(
        path, timeout=1.0, isolation_level="IMMEDIATE", check_same_thread=False
    )
    try:
        # Nothing is lost that cannot be read again, so nothing waits for the disk.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        with database:
            database.execute("BEGIN IMMEDIATE")
            ((version,),) = database.execute("PRAGMA user_version").fetchall()
            if version != _VERSION:
                for table in _TABLES:
                    database.execute(f"DROP TABLE IF EXISTS {table}")
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        database.close()
        raise
    return database


def _value(database: sqlite3.Connection, row: int, key: Key) -> Value | None:
    found: Sequence[tuple[bytes, ...]]
    match key:
        case bytes():
            found = database.execute(
                "SELECT balance, nonce, code.code FROM account"
                " JOIN code ON code.hash = account.code WHERE pin = ? AND address = ?",
                (row, key),
            ).fetchall()
            return (
                RemoteAccount(_int(found[0][0]), _int(found[0][1]), found[0][2]) if found else None
            )
        case (address, slot):
            found = database.execute(
                "SELECT value FROM slot WHERE pin = ? AND address = ? AND slot = ?",
                (row, address, _bytes(slot)),
            ).fetchall()
            return _int(found[0][0]) if found else None
        case number:
            found = database.execute(
                "SELECT hash FROM block WHERE pin = ? AND number = ?", (row, number)
            ).fetchall()
            return found[0][0] if found else None


def _insert(database: sqlite3.Connection, row: int, items: Mapping[Key, Value]) -> None:
    codes, accounts, slots, blocks = {}, [], [], []
    for key, value in items.items():
        if isinstance(value, RemoteAccount):
            digest = hashlib.blake2b(value.code, digest_size=32).digest()
            codes[digest] = value.code
            accounts.append((row, key, _bytes(value.balance), _bytes(value.nonce), digest))
        elif isinstance(key, tuple) and isinstance(value, int):
            slots.append((row, key[0], _bytes(key[1]), _bytes(value)))
        else:
            blocks.append((row, key, value))
    database.executemany("INSERT OR IGNORE INTO code VALUES (?, ?)", codes.items())
    database.executemany("INSERT OR IGNORE INTO account VALUES (?, ?, ?, ?, ?)", accounts)
    database.executemany("INSERT OR IGNORE INTO slot VALUES (?, ?, ?, ?)", slots)
    database.executemany("INSERT OR IGNORE INTO block VALUES (?, ?, ?)", blocks)


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _int(content: bytes) -> int:
    return int.from_bytes(content, "big")
