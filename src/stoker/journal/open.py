"""From what a user calls a journal to an open one."""

from __future__ import annotations

from pathlib import Path

from stoker.journal.base import Durability, Journal, JournalError

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


async def open_journal(location: str | Path, *, durability: Durability = "process") -> Journal:
    """Open the journal at `location`, creating it or bringing its schema up to date.

    `location` is a path, `sqlite:///relative` or `sqlite:////absolute/path`, or
    `postgresql://user:password@host:port/database`. Close it with `close()`. Raises
    `JournalTooNew`, and `JournalError` for anything else that is in the way.
    """
    text = str(location)
    if text.startswith(_POSTGRES):
        try:
            from stoker.journal.postgres import open_postgres
        except ModuleNotFoundError as error:
            if error.name != "asyncpg":
                raise
            raise JournalError(
                "a PostgreSQL journal needs asyncpg, which is not installed: "
                "pip install 'stoker[postgres]'"
            ) from error
        return await open_postgres(text, durability=durability)
    if text.startswith(_SQLITE):
        text = text.removeprefix(_SQLITE)
    elif "://" in text:
        scheme = text.partition("://")[0]
        raise JournalError(
            f"a journal cannot be kept at {scheme}://...: expected a path, sqlite:///PATH or "
            "postgresql://HOST/DATABASE"
        )
    if not text:
        raise JournalError("the journal's location is empty: expected a path or a URL")
    from stoker.journal.sqlite import SqliteJournal

    return SqliteJournal(Path(text), durability=durability)
