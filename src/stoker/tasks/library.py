"""What tasks and prompts are made of: images, tags and templates."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from stoker.journal.base import Journal
from stoker.journal.session import Session
from stoker.tasks.catalog import text
from stoker.tasks.changes import TagChange, TemplateChange, given
from stoker.tasks.errors import Conflict
from stoker.tasks.images import Images
from stoker.tasks.model import Tag, Template
from stoker.tasks.store import PROJECTS, TAGS, TEMPLATES, Table

R = TypeVar("R", bound=Struct)


class Shelf(Generic[R]):
    """Records of one type in one journal."""

    def __init__(
        self,
        journal: Journal,
        table: Table[R],
        record: type[R],
        check: Callable[[Session, R], Awaitable[None]],
    ) -> None:
        """`check` raises what is wrong with a record."""
        self._journal = journal
        self._table = table
        self._record = record
        self._check = check
        self._key, self._name = f"{record.__name__.lower()}_id", f"{record.__name__.lower()}_name"

    async def all(self) -> list[R]:
        """By name."""
        async with self._journal.snapshot() as session:
            return await self._table.find(session, order=self._name)

    async def one(self, key: str) -> R:
        """Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return await self._table.known(session, key)

    async def add(self, **fields: Any) -> R:
        """Raises `Unknown` (a project), `Invalid`, `Conflict` if there is one of that name."""
        now = time.time()
        fields |= {self._key: str(uuid.uuid4()), "created_at": now, "updated_at": now}
        record = self._record(**fields)
        async with self._journal.transaction() as session:
            await self._check(session, record)
            if not await self._table.add(session, record):
                raise Conflict("somebody else has just added one of that name")
        return record

    async def change(self, key: str, change: TagChange | TemplateChange) -> R:
        """Raises `Unknown`, and what `add` does."""
        async with self._journal.transaction() as session:
            record = await self._table.known(session, key, lock=True)
            record = replace(record, **given(change), updated_at=time.time())
            await self._check(session, record)
            await self._table.put(session, record)
        return record

    async def remove(self, key: str) -> None:
        """Raises `Unknown`."""
        async with self._journal.transaction() as session:
            await self._table.known(session, key)
            await self._table.remove(session, key)


class Library:
    """Of one journal; `directory`: of the state."""

    def __init__(self, journal: Journal, directory: Path) -> None:
        self.images = Images(journal, directory)
        self.tags = Shelf(journal, TAGS, Tag, _check_tag)
        self.templates = Shelf(journal, TEMPLATES, Template, _check_template)

    async def templates_for(self, project_id: str | None) -> list[Template]:
        """Those of a project and those of no project, by name; None: all."""
        found = await self.templates.all()
        return [one for one in found if project_id is None or one.project_id in (None, project_id)]


async def _check_tag(session: Session, tag: Tag) -> None:
    text("tag_name", tag.tag_name)
    for other in await TAGS.find(session, tag_name=tag.tag_name):
        if other.tag_id != tag.tag_id:
            raise Conflict(f"there is a tag {tag.tag_name!r} already")


async def _check_template(session: Session, template: Template) -> None:
    text("template_name", template.template_name)
    text("title", template.title)
    if template.project_id is not None:
        await PROJECTS.known(session, template.project_id)
