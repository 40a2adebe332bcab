"""What kind of failure it was, and what to do about it. Pure: no clock, no files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from stoker.roadmaps.evidence import Category, Evidence, Fault

Severity = Literal["low", "medium", "high", "critical"]
Action = Literal["retry", "rewrite", "decompose", "defer", "skip", "escalate", "pause"]


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a try of a task failed, in one category."""

    category: Category
    message: str
    severity: Severity = "high"
    faults: tuple[Fault, ...] = ()
    """All of them; empty if it is no verification that failed."""
    pause_sec: float | None = None
    """How long whoever refused said to wait."""
    denied: tuple[str, ...] = ()
    """What the agent asked for and was not allowed."""


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to do about it."""

    action: Action
    reason: str
    """For a person, in a sentence."""
    counts: bool = True
    """The try counts against the task's attempts."""
    pause_sec: float | None = None
    """With `pause`: how long; then it is tried again."""
    permissions: tuple[str, ...] = ()
    """With `retry`: what to allow, if the settings let it."""
    trim: bool = False
    """With `retry`: with less context."""
    fresh: bool = False
    """With `retry`: from the base, in a new conversation, and another way than before."""


def of_agent(
    error: str,
    *,
    reason: str = "failed",
    status: int | None = None,
    retry_after: float | None = None,
    denied: Sequence[str] = (),
) -> Failure:
    """An agent's turn that did not end well: `reason` as in `stoker.agents.stream.Ended`."""
    raise NotImplementedError


def of_evidence(evidence: Evidence) -> Failure | None:
    """A verification; None: nothing is wrong with it."""
    raise NotImplementedError


def of_conflict(paths: Sequence[str]) -> Failure:
    """A merge that stopped."""
    raise NotImplementedError


def decide(failures: Sequence[Failure], *, attempts: int, on_exhausted: Action) -> Decision:
    """What to do after the last of `failures`, those of a task's tries so far, the oldest
    first; `attempts`: how many there may be."""
    raise NotImplementedError
