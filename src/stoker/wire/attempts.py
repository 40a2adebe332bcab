"""Attempts: agents at work on tasks, and what they have made."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from stoker.tasks.model import Attempt, Draft
from stoker.tasks.plan import Role
from stoker.wire.tasks import LongText, Text
from stoker.workspace.model import Change


class Agent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to work, and from where."""

    executor: Text
    """Of the profiles, such as `CODEX`."""
    variant: Text | None = None
    base_branch: Text | None = None
    """Default: the one checked out in the repository."""


class AttemptRequest(Agent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task to write down and to begin at once."""

    project_id: Text
    title: Text
    description: LongText | None = None


class FollowUpRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to tell an agent next."""

    prompt: Annotated[str, Meta(min_length=1, max_length=1_000_000)]
    variant: Text | None = None


class Told(Struct, frozen=True):
    """What became of a follow-up."""

    started: bool
    """False: it waits for the end of the turn under way."""


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to an agent's request for approval."""

    allowed: bool
    always: bool = False
    """Also for all that are like it, where the agent offers that."""
    reason: LongText = ""


class StepView(Struct, frozen=True, kw_only=True):
    """A step of an attempt's run."""

    step: str
    role: Role
    turn: int
    status: str
    reason: str | None
    started_at: float | None


class AttemptView(Struct, frozen=True, kw_only=True):
    """An attempt and how its run stands."""

    attempt: Attempt
    status: str
    """Of the run."""
    busy: bool
    """A turn is under way, or what it has left is not kept yet."""
    steps: list[StepView]
    queued: Draft | None


class ChangeView(Struct, frozen=True, kw_only=True):
    """A file that an attempt has changed."""

    change: Change
    old_path: str | None
    new_path: str | None
    additions: int | None
    """None: it is no text."""
    deletions: int | None
    old_content: str | None
    new_content: str | None
    content_omitted: bool


class Changes(Struct, frozen=True):
    """What an attempt has changed."""

    changes: list[ChangeView]
