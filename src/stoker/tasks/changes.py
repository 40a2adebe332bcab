"""What is to become of records; what is not named stays."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from stoker.tasks.model import TaskStatus


class ProjectChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a project; what is not named stays."""

    name: str | UnsetType = UNSET
    setup_script: str | UnsetType | None = UNSET
    cleanup_script: str | UnsetType | None = UNSET
    dev_script: str | UnsetType | None = UNSET
    copy_files: tuple[str, ...] | UnsetType = UNSET
    directory: str | UnsetType = UNSET
    wip_limit: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType | None = UNSET
    auto_pull_request: bool | UnsetType = UNSET
    reviewers: tuple[str, ...] | UnsetType = UNSET
    open_issue: bool | UnsetType = UNSET


class TaskChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a task; what is not named stays."""

    title: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    status: TaskStatus | UnsetType = UNSET
    parent_attempt_id: str | UnsetType | None = UNSET
    labels: tuple[str, ...] | UnsetType = UNSET
    depends_on: tuple[str, ...] | UnsetType = UNSET
    images: tuple[str, ...] | UnsetType = UNSET
    agent: str | UnsetType | None = UNSET
    base_branch: str | UnsetType | None = UNSET
    issue_url: str | UnsetType | None = UNSET


class TagChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a tag; what is not named stays."""

    tag_name: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


class TemplateChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a template; what is not named stays."""

    project_id: str | UnsetType | None = UNSET
    template_name: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


def given(change: Struct) -> dict[str, Any]:
    """What it names."""
    fields = change.__struct_fields__
    return {name: value for name in fields if (value := getattr(change, name)) is not UNSET}
