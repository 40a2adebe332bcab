"""Settings and small records of the doors, as JSON under names."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct

from stoker.journal.base import Journal
from stoker.tasks.model import Document
from stoker.tasks.store import DOCUMENTS

T = TypeVar("T", bound=Struct)


class Documents:
    """Of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def get(self, name: str, type_: type[T]) -> T | None:
        """The document of that name."""
        async with self._journal.snapshot() as session:
            found = await DOCUMENTS.get(session, name)
        return None if found is None else msgspec.json.decode(found.content, type=type_)

    async def under(self, prefix: str, type_: type[T]) -> dict[str, T]:
        """Those whose names begin so."""
        async with self._journal.snapshot() as session:
            found = await DOCUMENTS.find(session)
        return {
            one.name: msgspec.json.decode(one.content, type=type_)
            for one in found
            if one.name.startswith(prefix)
        }

    async def add(self, name: str, document: Struct) -> bool:
        """Write one down; False if there is one of that name."""
        async with self._journal.transaction() as session:
            return await DOCUMENTS.add(session, _document(name, document))

    async def put(self, name: str, document: Struct) -> None:
        """Write one down, or anew."""
        async with self._journal.transaction() as session:
            record = _document(name, document)
            if not await DOCUMENTS.put(session, record):
                await DOCUMENTS.add(session, record)

    async def remove(self, name: str) -> None:
        """Forget one, if it is there."""
        async with self._journal.transaction() as session:
            await DOCUMENTS.remove(session, name)


def _document(name: str, document: Struct) -> Document:
    return Document(name, msgspec.json.encode(document).decode())
