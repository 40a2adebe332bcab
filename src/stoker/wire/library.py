"""Images, tags and templates."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from stoker.tasks.changes import LongText, Text
from stoker.tasks.model import Image, Tag, Template


class ImageRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A PNG, JPEG, GIF, WebP or BMP."""

    name: Text
    data: Annotated[bytes, Meta(max_length=20 * 1024 * 1024)]
    """In base64."""


class ImageList(Struct, frozen=True):
    """The images of a task, in its order."""

    images: list[Image]


class TagRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that people put into prompts by its name."""

    tag_name: Text
    content: LongText = ""


class TagList(Struct, frozen=True):
    """All tags, by name."""

    tags: list[Tag]


class TemplateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What tasks of a kind begin with."""

    template_name: Text
    title: Text
    description: LongText | None = None
    project_id: Text | None = None
    """Default: in all projects."""


class TemplateList(Struct, frozen=True):
    """Templates, by name."""

    templates: list[Template]
