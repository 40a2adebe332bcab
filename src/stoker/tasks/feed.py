"""What changes in the catalog, as it changes, whichever process changes it.

The database itself notes the last change of every record (`changes`, written by triggers), so
a reader that knows how far it has read can be told of everything since, once each, also of
what is gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal

from msgspec import Struct

from stoker.journal.base import Journal

Subject = Literal["projects", "tasks", "attempts", "drafts", "merges", "pull_requests"]

_PAGE = 1000


class Change(Struct, frozen=True):
    """A record was written or removed; which of both, looking for it tells."""

    sequence: int
    """Grows from change to change; of a record, the last counts."""
    subject: Subject
    key: str


class Feed:
    """The changes in one journal's catalog."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def newest(self) -> int:
        """The sequence of the last change; 0 before the first."""
        async with self._journal.snapshot() as session:
            ((sequence,),) = await session.fetch("SELECT COALESCE(MAX(sequence), 0) FROM changes")
        return int(sequence)

    async def follow(self, after: int = 0) -> AsyncIterator[Sequence[Change]]:
        """Records changed later than `after`, then live; what there is at once together. Never
        ends. Raises `JournalError`."""
        async with self._journal.changes() as signals:
            async for _ in signals:
                while some := await self._since(after):
                    after = some[-1].sequence
                    yield some

    async def _since(self, after: int) -> list[Change]:
        async with self._journal.snapshot() as session:
            rows = await session.fetch(
                "SELECT sequence, subject, key FROM changes WHERE sequence > ?1 "
                "ORDER BY sequence LIMIT ?2",
                after,
                _PAGE,
            )
        return [Change(*row) for row in rows]
