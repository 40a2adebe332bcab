"""Which schema a database has, and the numbered SQL files that bring it up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from stoker.journal.base import JournalTooNew

_FOLDER = Path(__file__).parent / "migrations"


def pending(
    database: Literal["sqlite", "postgres"], found: int, location: str
) -> list[tuple[int, str]]:
    """Migrations to apply, `(version, SQL script)`, oldest first; `found` is the version of
    the database now, 0 for an empty one. Raises `JournalTooNew`."""
    files = sorted((_FOLDER / database).glob("*.sql"))
    versions = [int(file.name.partition("_")[0]) for file in files]
    if found > versions[-1]:
        raise JournalTooNew(
            f"{location}: written by a newer Stoker (schema version {found}, this one knows up "
            f"to {versions[-1]}); upgrade Stoker, or name another journal"
        )
    return [
        (version, file.read_text("utf-8"))
        for version, file in zip(versions, files, strict=True)
        if version > found
    ]
