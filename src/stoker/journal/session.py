"""One transaction on one connection, as the SQL that both databases share sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from stoker.journal.rows import Row


class Session(Protocol):
    """Statements number their parameters `?1`, as SQLite does; PostgreSQL's session turns
    that into `$1`."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]: ...

    async def fetch_locked(self, sql: str, *args: Any) -> Sequence[Row]:
        """A SELECT whose rows nobody else changes before this transaction ends."""

    async def lock_claims(self) -> None:
        """Be the only one at work on lock claims until this transaction ends."""

    async def now(self) -> float:
        """Seconds since the epoch by the clock that leases go by."""

    async def wake(self, engine_ids: Iterable[str]) -> None:
        """Wake those engines' inboxes once the transaction is committed."""
