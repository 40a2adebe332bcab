"""What tasks and prompts are made of: images, tags and templates."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from stoker.journal.base import Journal
from stoker.tasks.catalog import text
from stoker.tasks.changes import TagChange, TemplateChange, given
from stoker.tasks.errors import Conflict
from stoker.tasks.images import Images
from stoker.tasks.model import Tag, Template
from stoker.tasks.store import PROJECTS, TAGS, TEMPLATES


class Library:
    """Of one journal; `directory`: of the state."""

    def __init__(self, journal: Journal, directory: Path) -> None:
        self._journal = journal
        self.images = Images(journal, directory)

    # Tags.

    async def tags(self) -> list[Tag]:
        """All, by name."""
        async with self._journal.snapshot() as session:
            return await TAGS.find(session, order="tag_name")

    async def tag(self, tag_id: str) -> Tag:
        """Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return await TAGS.known(session, tag_id)

    async def add_tag(self, tag_name: str, content: str) -> Tag:
        """Raises `Invalid`, `Conflict` if there is one of that name."""
        now = time.time()
        tag = Tag(
            tag_id=str(uuid.uuid4()),
            tag_name=text("tag_name", tag_name),
            content=content,
            created_at=now,
            updated_at=now,
        )
        async with self._journal.transaction() as session:
            if not await TAGS.add(session, tag):
                raise Conflict(f"there is a tag {tag_name!r} already")
        return tag

    async def change_tag(self, tag_id: str, change: TagChange) -> Tag:
        """Raises `Unknown`, `Invalid`, `Conflict` if another has that name."""
        async with self._journal.transaction() as session:
            tag = await TAGS.known(session, tag_id, lock=True)
            tag = replace(tag, **given(change), updated_at=time.time())
            text("tag_name", tag.tag_name)
            others = await TAGS.find(session, tag_name=tag.tag_name)
            if any(other.tag_id != tag_id for other in others):
                raise Conflict(f"there is a tag {tag.tag_name!r} already")
            await TAGS.put(session, tag)
        return tag

    async def remove_tag(self, tag_id: str) -> None:
        """Raises `Unknown`."""
        async with self._journal.transaction() as session:
            await TAGS.known(session, tag_id)
            await TAGS.remove(session, tag_id)

    # Templates.

    async def templates(self, project_id: str | None = None) -> list[Template]:
        """All, or those of a project and those of no project; by name."""
        async with self._journal.snapshot() as session:
            found = await TEMPLATES.find(session, order="template_name")
        return [one for one in found if project_id is None or one.project_id in (None, project_id)]

    async def template(self, template_id: str) -> Template:
        """Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return await TEMPLATES.known(session, template_id)

    async def add_template(
        self,
        template_name: str,
        title: str,
        description: str | None = None,
        project_id: str | None = None,
    ) -> Template:
        """Raises `Unknown` (the project), `Invalid`."""
        now = time.time()
        template = Template(
            template_id=str(uuid.uuid4()),
            project_id=project_id,
            template_name=template_name,
            title=title,
            description=description,
            created_at=now,
            updated_at=now,
        )
        async with self._journal.transaction() as session:
            await _check(session, template)
            await TEMPLATES.add(session, template)
        return template

    async def change_template(self, template_id: str, change: TemplateChange) -> Template:
        """Raises `Unknown`, `Invalid`."""
        async with self._journal.transaction() as session:
            template = await TEMPLATES.known(session, template_id, lock=True)
            template = replace(template, **given(change), updated_at=time.time())
            await _check(session, template)
            await TEMPLATES.put(session, template)
        return template

    async def remove_template(self, template_id: str) -> None:
        """Raises `Unknown`."""
        async with self._journal.transaction() as session:
            await TEMPLATES.known(session, template_id)
            await TEMPLATES.remove(session, template_id)


async def _check(session: Any, template: Template) -> None:
    text("template_name", template.template_name)
    text("title", template.title)
    if template.project_id is not None:
        await PROJECTS.known(session, template.project_id)
