"""What kind of failure it was, and what to do about it. Pure: no clock, no files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Final, Literal, TypeVar

from msgspec import Struct

from stoker.roadmaps.evidence import Category, Evidence, Fault

Severity = Literal["low", "medium", "high", "critical"]
Action = Literal["retry", "rewrite", "decompose", "skip", "escalate", "pause"]

_PAUSE_SEC: Final = 60.0
_LONGEST_PAUSE_SEC: Final = 6 * 3600.0
_MESSAGE: Final = 4_000
_RANK: Final[dict[str, int]] = {"low": 0, "medium": 1, "high": 2, "critical": 3}
_FIRST: Final[tuple[Category, ...]] = (
    *("test_tampering", "scope_creep", "syntax_error", "import_error", "type_error"),
    *("regression", "test_failure", "file_not_found", "incomplete", "tool_failure", "timeout"),
)
"""Of several faults that one is the failure's category which others may follow from."""


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a try of a task failed, in one category."""

    category: Category
    message: str
    severity: Severity = "high"
    faults: tuple[Fault, ...] = ()
    """All of them; empty if it is no verification that failed."""
    pause_sec: float | None = None
    """How long whoever refused said to wait."""


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to do about it."""

    action: Action
    reason: str
    """For a person, in a sentence."""
    pause_sec: float | None = None
    """With `pause`: how long; then it is tried again."""
    trim: bool = False
    """With `retry`: with less context."""
    fresh: bool = False
    """With `retry`: from the base, in a new conversation, and another way than before."""


_SIGNS: Final[tuple[tuple[Category, str], ...]] = (
    ("incomplete", r"turn ended: limit"),
    ("wrong_approach", r"turn ended: refused"),
    ("rate_limit", r"\b429\b|rate.?limit|too many requests|quota|overloaded|\b529\b|usage limit"),
    (
        "context_too_large",
        r"context (?:length|window|size|limit)|prompt is too long|maximum context"
        r"|too many tokens|request_too_large|ContextOverflow|context.*exceed",
    ),
    ("timeout", r"timed? ?out|deadline|did not end in time"),
    (
        "api_error",
        r"HTTP (?:4\d\d|5\d\d)|\b50[0234]\b|Connect(?:ion)?Error|connection (?:reset|refused)"
        r"|broke off|no answer in \d+ attempts|ReadError|RemoteProtocolError|api.?key"
        r"|unauthorized|authentication|provider sent|name resolution",
    ),
    ("conflict", r"merge conflict|CONFLICT \("),
    ("file_not_found", r"no such file or directory|FileNotFoundError|ENOENT"),
    ("tool_failure", r"tool|permission denied|not permitted|no space left|ENOSPC"),
)
_HOPELESS: Final = re.compile(
    r"\b40[13]\b|unauthorized|api.?key|authentication|insufficient|billing|credit"
    r"|no space left|ENOSPC",
    re.IGNORECASE,
)
"""Trying again changes nothing before a person has."""
_WAIT: Final = re.compile(
    r"(?:only in|retry(?:[- ]after)?|try again in|wait)[: ]+(\d+(?:\.\d+)?) ?(ms|s|m|h)?",
    re.IGNORECASE,
)
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def of_agent(error: str) -> Failure:
    """An agent's turn that did not end well, by what its step failed with."""
    signs = (name for name, sign in _SIGNS if re.search(sign, error, re.IGNORECASE))
    category: Category = next(signs, "tool_failure")
    hopeless = _HOPELESS.search(error) is not None and category != "rate_limit"
    severity: Severity = "critical" if hopeless else "low" if category == "rate_limit" else "high"
    wait = _WAIT.search(error) if category in ("rate_limit", "api_error") else None
    return Failure(
        category=category,
        message=error[:_MESSAGE] or "the agent's turn failed",
        severity=severity,
        pause_sec=float(wait[1]) * _UNITS[(wait[2] or "s").lower()] if wait else None,
    )


def of_evidence(evidence: Evidence) -> Failure | None:
    """A verification; None: nothing is wrong with it."""
    if not evidence.faults:
        return None
    faults = evidence.faults
    known = {category: place for place, category in enumerate(_FIRST)}
    first = min(faults, key=lambda one: known.get(one.category, len(_FIRST)))
    worst = max(faults, key=lambda one: _RANK[one.severity])
    category = first.category
    # Some of what was to be made is there, and some is not.
    if category in ("file_not_found", "incomplete") and evidence.files:
        category = "partial_change"
    return Failure(
        category=category,
        message=first.message[:_MESSAGE],
        severity=worst.severity,
        faults=faults,
    )


def of_conflict(paths: Sequence[str]) -> Failure:
    """A merge that stopped."""
    shown = ", ".join(paths[:10]) + (", ..." if len(paths) > 10 else "")
    return Failure(
        category="conflict",
        message=f"it conflicts with what was merged meanwhile: {shown}",
        severity="medium",
        faults=tuple(
            Fault(category="conflict", message="conflicting changes", path=path, severity="medium")
            for path in paths[:50]
        ),
    )


def decide(failures: Sequence[Failure], *, attempts: int) -> Decision:
    """What to do after the last of `failures`, those of a task's tries so far, the oldest
    first, at least one; `attempts`: how many there may be."""
    last = failures[-1]
    if last.severity == "critical" and last.category in ("api_error", "tool_failure"):
        return Decision(action="escalate", reason=f"trying again cannot help: {line(last)}")
    if last.category == "rate_limit" or (last.category == "api_error" and last.pause_sec):
        pause = _PAUSE_SEC if last.pause_sec is None else last.pause_sec
        if last.pause_sec is None:  # longer each time that it says nothing of it
            again = streak(failures, lambda one: one.category == "rate_limit")
            pause = min(pause * 2.0 ** (again - 1), _LONGEST_PAUSE_SEC)
        reason = f"the provider asks to wait {pause:.0f} s"
        return Decision(action="pause", reason=reason, pause_sec=pause)
    counted = [one for one in failures if one.category != "rate_limit"]
    if len(counted) >= attempts:
        return Decision(action="skip", reason=f"{len(counted)} tries failed: {line(last)}")
    return _again(last, streak(counted, lambda one: _alike(one, last)))


def _again(last: Failure, alike: int) -> Decision:
    """Another try; if the same happened before, another strategy."""
    what = line(last)
    if alike >= 3:
        return Decision(action="escalate", reason=f"{alike} tries ended alike: {what}")
    if last.category == "context_too_large":
        if alike >= 2:
            reason = "it does not fit the model's context with less context either"
            return Decision(action="decompose", reason=reason)
        return Decision(action="retry", reason=what, trim=True)
    if last.category in ("timeout", "incomplete", "partial_change") and alike >= 2:
        return Decision(action="decompose", reason=f"it is too much for one turn: {what}")
    if last.category == "wrong_approach" and alike >= 2:
        return Decision(action="rewrite", reason=f"the task may have to be said otherwise: {what}")
    fresh = alike >= 2 or last.category in ("test_tampering", "wrong_approach", "scope_creep")
    return Decision(action="retry", reason=what, fresh=fresh)


T = TypeVar("T")


def streak(found: Sequence[T], alike: Callable[[T], bool]) -> int:
    """How many of the last are such."""
    return sum(1 for _ in takewhile(alike, reversed(found)))


_VARIES: Final = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?|'[^']*'|\"[^\"]*\"")


def signature(failure: Failure) -> str:
    """The same for failures that are alike: without numbers and what is quoted."""
    places = sorted({fault.path for fault in failure.faults})
    return " ".join((failure.category, _VARIES.sub("_", line(failure)), *places))


def _alike(one: Failure, other: Failure) -> bool:
    return signature(one) == signature(other)


def line(failure: Failure) -> str:
    """Its message's first line, with the place of the fault it is named after, unless that says
    so itself."""
    first = failure.message.partition("\n")[0][:300]
    named = (fault for fault in failure.faults if fault.message.startswith(failure.message))
    fault = next(named, None)
    return first if fault is None or fault.path in fault.message else f"{fault.place}: {first}"
