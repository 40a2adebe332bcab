"""Projects, tasks and attempts in the journal's database, SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from stoker.engine.lifecycle import RUN_OVER
from stoker.journal.session import Session
from stoker.tasks.errors import Unknown
from stoker.tasks.model import (
    Attempt,
    Document,
    Draft,
    Image,
    Merge,
    Project,
    PullRequest,
    Tag,
    Task,
    Template,
)

R = TypeVar("R", bound=Struct)
OVER: Final = ", ".join(f"'{status}'" for status in sorted(RUN_OVER))
"""Of runs that are over: their statuses, as SQL lists them."""


class Table(Generic[R]):
    """Records of one type, a column for each field, the first of them the key. Every method
    works in the caller's transaction."""

    def __init__(self, name: str, record: type[R]) -> None:
        self._record = record
        self._columns = record.__struct_fields__
        types = {field.name: field.type for field in msgspec.structs.fields(record)}
        self._lists = [field for field, type_ in types.items() if type_ == tuple[str, ...]]
        self._flags = [field for field, type_ in types.items() if type_ is bool]
        key, *others = self._columns
        # Only names of this module and of the model are put into SQL.
        self._select = f"SELECT {', '.join(self._columns)} FROM {name}"  # noqa: S608
        self._insert = (
            f"INSERT INTO {name} ({', '.join(self._columns)}) "  # noqa: S608
            f"VALUES ({', '.join(f'?{n}' for n in range(1, len(self._columns) + 1))}) "
            f"ON CONFLICT DO NOTHING RETURNING {key}"
        )
        self._update = (
            f"UPDATE {name} SET "  # noqa: S608
            f"{', '.join(f'{column} = ?{n}' for n, column in enumerate(others, 2))} "
            f"WHERE {key} = ?1 RETURNING {key}"
        )
        self._delete = f"DELETE FROM {name} WHERE {key} = ?1 RETURNING {key}"  # noqa: S608
        self._key = key

    async def add(self, session: Session, record: R) -> bool:
        """Store a new record; False if one of its key, or of a unique field, is there."""
        return bool(await session.fetch(self._insert, *self._row(record)))

    async def put(self, session: Session, record: R) -> bool:
        """Replace a record; False if there is none of its key."""
        return bool(await session.fetch(self._update, *self._row(record)))

    async def remove(self, session: Session, key: str) -> bool:
        """Forget a record; False if there is none of that key."""
        return bool(await session.fetch(self._delete, key))

    async def get(self, session: Session, key: str) -> R | None:
        """The record of that key."""
        found = await self.find(session, **{self._key: key})
        return found[0] if found else None

    async def lock(self, session: Session, key: str) -> R | None:
        """As `get`; nobody else changes it before the transaction ends."""
        rows = await session.fetch_locked(f"{self._select} WHERE {self._key} = ?1", key)
        return self._read(rows[0]) if rows else None

    async def known(self, session: Session, key: str, *, lock: bool = False) -> R:
        """The record of that key; `lock`: as `lock`. Raises `Unknown`."""
        found = await (self.lock if lock else self.get)(session, key)
        if found is None:
            raise Unknown(self._key.removesuffix("_id"), key)
        return found

    async def find(self, session: Session, *, order: str | None = None, **fields: Any) -> list[R]:
        """Records whose fields have these values, or one of a list, by `order` (a field), else by
        key."""
        assert {*fields, order or self._key} <= set(self._columns)  # noqa: S101 - never a caller's
        if [] in fields.values():
            return []
        wanted, values = ["1 = 1"], list[Any]()
        for name, value in fields.items():
            some = value if isinstance(value, list) else [value]
            places = range(len(values) + 1, len(values) + len(some) + 1)
            wanted.append(f"{name} IN ({', '.join(f'?{n}' for n in places)})")
            values += some
        by = f"{order}, {self._key}" if order else self._key
        rows = await session.fetch(
            f"{self._select} WHERE {' AND '.join(wanted)} ORDER BY {by}", *values
        )
        return [self._read(row) for row in rows]

    def _row(self, record: R) -> list[Any]:
        values = [getattr(record, column) for column in self._columns]
        return [
            msgspec.json.encode(value).decode() if isinstance(value, tuple) else value
            for value in values
        ]

    def _read(self, row: Sequence[Any]) -> R:
        values = dict(zip(self._columns, row, strict=True))
        for name in self._lists:
            values[name] = tuple(msgspec.json.decode(values[name]))
        for name in self._flags:
            values[name] = bool(values[name])
        return self._record(**values)


PROJECTS = Table("projects", Project)
TASKS = Table("tasks", Task)
ATTEMPTS = Table("attempts", Attempt)
DRAFTS = Table("drafts", Draft)
MERGES = Table("merges", Merge)
PULL_REQUESTS = Table("pull_requests", PullRequest)
IMAGES = Table("images", Image)
TAGS = Table("tags", Tag)
TEMPLATES = Table("templates", Template)
DOCUMENTS = Table("documents", Document)
