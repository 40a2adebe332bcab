"""Runs: begun, listed, steered; their events."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from stoker.engine.view import Activity, Document, Time, activity, iso
from stoker.journal.base import RunRow
from stoker.journal.events import Event, RunStatus
from stoker.wire.plans import PlanSource

RUN_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
Text = Annotated[str, Meta(max_length=10_000)]


class RunRequest(PlanSource, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A run to begin."""

    inputs: dict[str, Any] = field(default_factory=dict)
    """By name; of secret ones the server keeps nothing beyond the run's time in memory."""
    run_id: Annotated[str, Meta(pattern=RUN_ID)] | None = None
    """Default: made from the time, or from the `Idempotency-Key`."""
    max_concurrency: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """Steps at once."""
    manual: bool = False
    """Start only what `next` releases."""


class RunSummary(Document, frozen=True, kw_only=True):
    """One run of a list."""

    run_id: str
    plan_id: str
    plan_version: str
    status: RunStatus
    reason: str | None
    activity: Activity
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    parent_run_id: str | None
    parent_step_id: str | None


def summary(row: RunRow) -> RunSummary:
    """What a list says of a run."""
    fields: dict[str, Any] = {"activity": activity(row)}
    for name in RunSummary.__struct_fields__:
        if name not in fields:
            value = getattr(row, name)
            fields[name] = iso(value) if name.endswith("_at") and value is not None else value
    return RunSummary(**fields)


class RunPage(Document, frozen=True, kw_only=True):
    """Some runs, newest first."""

    runs: list[RunSummary]
    next_cursor: str | None
    """For the next page; None: this is the last."""


class Reason(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Why; kept in the journal."""

    reason: Text | None = None


class Again(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """For a run that nobody drives, which goes on here then."""

    inputs: dict[str, Any] = field(default_factory=dict)
    """Secret inputs, which are not kept, must be given again."""


class Comment(Again, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A person's answer."""

    comment: Text = ""


class Resolution(Comment, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What became of a quarantined step."""

    outcome: Literal["rerun", "succeeded", "failed"]


class Extension(Again, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """New steps."""

    steps: list[dict[str, Any]] | str
    """A list of steps, or the text of one (JSON or YAML)."""


class Done(Struct, frozen=True, kw_only=True):
    """What became of a request to a run."""

    run_id: str
    status: Literal["done", "queued"]
    """`queued`: nobody drives the run, and it is done when somebody resumes it."""
    released: list[str] = []
    """Of `next`: the ids of the steps that were released."""


class EventPage(Struct, frozen=True, kw_only=True):
    """Some events of a run, oldest first."""

    events: list[Event]
    next_after: int
    """`after` of the next page."""
    over: bool
    """The run is over and has no more events than these."""


Output = Literal["stdout", "stderr"]


class LogPart(Struct, frozen=True, kw_only=True):
    """Some of what an attempt wrote, as text."""

    offset: int
    """In bytes, as `length` and `dropped`."""
    length: int
    dropped: int
    """What the log's bound has left out before it."""
    text: str
