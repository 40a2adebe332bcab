"""What is to become of records; what is not named stays."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from stoker.tasks.model import TaskStatus

Text = Annotated[str, Meta(min_length=1, max_length=1000)]
Path = Annotated[str, Meta(max_length=4096)]
LongText = Annotated[str, Meta(max_length=1_000_000)]


class ProjectChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a project; what is not named stays."""

    name: Text | UnsetType = UNSET
    setup_script: LongText | UnsetType | None = UNSET
    cleanup_script: LongText | UnsetType | None = UNSET
    dev_script: LongText | UnsetType | None = UNSET
    copy_files: tuple[Text, ...] | UnsetType = UNSET
    directory: Path | UnsetType = UNSET
    wip_limit: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType | None = UNSET
    auto_pull_request: bool | UnsetType = UNSET
    reviewers: tuple[Text, ...] | UnsetType = UNSET
    open_issue: bool | UnsetType = UNSET


class TaskFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a task has beside its title."""

    description: LongText | UnsetType | None = UNSET
    parent_attempt_id: Text | UnsetType | None = UNSET
    labels: tuple[Text, ...] | UnsetType = UNSET
    depends_on: tuple[Text, ...] | UnsetType = UNSET
    images: tuple[Text, ...] | UnsetType = UNSET
    agent: Text | UnsetType | None = UNSET
    base_branch: Text | UnsetType | None = UNSET
    issue_url: Text | UnsetType | None = UNSET


class TaskChange(TaskFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to become of a task; what is not named stays."""

    title: Text | UnsetType = UNSET
    status: TaskStatus | UnsetType = UNSET


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
