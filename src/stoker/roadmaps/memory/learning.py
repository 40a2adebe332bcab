"""What failures and successes taught: which fault was resolved how, which kind of task goes how."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from stoker.roadmaps.document import Task
from stoker.roadmaps.evidence import Category, Fault
from stoker.roadmaps.memory.outcome import Outcome, shortened

_PARTS: Final = (
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`"), "'_'"),
    (re.compile(r"(?:\.{0,2}/)?(?:[\w.@-]+/)+[\w.@-]+"), "PATH"),
    (re.compile(r"\b(?:0x)?[0-9a-f]{7,}\b|\b\d+(?:\.\d+)*\b"), "N"),
    (re.compile(r"\s+"), " "),
)
_MESSAGE: Final = 300
_SIGNATURE: Final = 160
_FILES: Final = 8


class Learned(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base."""


class Lesson(Learned, frozen=True):
    """A failure that was seen, and what the try that got past it said and changed."""

    signature: str
    """The category and the message without what differs from time to time."""
    category: Category
    example: str
    """A message as it stood."""
    seen: int = 1
    resolved: int = 0
    """How often a later try of the same task was verified."""
    resolution: str = ""
    """The summary of the last try that was."""
    files: tuple[str, ...] = ()
    """That it changed."""


class Pattern(Learned, frozen=True):
    """A kind of task and how tries at it ended."""

    kind: str
    """The task's first word and the suffix most of its files have: `add .py`."""
    tries: int = 0
    verified: int = 0
    tokens: int = 0
    """Of all its tries."""
    files: tuple[str, ...] = ()
    """Of the last tries that were verified."""


def signature(fault: Fault) -> str:
    """The same for failures that differ only in names, paths and numbers."""
    text = fault.message.strip().split("\n", 1)[0]
    for pattern, kept in _PARTS:
        text = pattern.sub(kept, text)
    return f"{fault.category}: {text.strip()[:_SIGNATURE]}"


def lessons_of(
    known: Sequence[Lesson], outcomes: Sequence[Outcome], *, since: int
) -> tuple[Lesson, ...]:
    """The lessons with what `outcomes[since:]` teach; those that changed last are last."""
    lessons = {lesson.signature: lesson for lesson in known}
    open_faults: dict[str, dict[str, None]] = {}
    for number, one in enumerate(outcomes):
        new = number >= since
        if one.verdict == "failed":
            pending = open_faults.setdefault(one.task, {})
            for fault in one.faults:
                pending[key := signature(fault)] = None
                if new:
                    before = lessons.pop(key, None)
                    lessons[key] = (
                        replace(before, seen=before.seen + 1)
                        if before
                        else Lesson(
                            signature=key,
                            category=fault.category,
                            example=shortened(fault.message, _MESSAGE),
                        )
                    )
        elif one.verdict == "verified":
            for key in open_faults.pop(one.task, {}):
                if new and (before := lessons.pop(key, None)):
                    lessons[key] = replace(
                        before,
                        resolved=before.resolved + 1,
                        resolution=shortened(one.summary, _MESSAGE),
                        files=one.files[:_FILES],
                    )
    return tuple(lessons.values())


def patterns_of(known: Sequence[Pattern], outcomes: Iterable[Outcome]) -> tuple[Pattern, ...]:
    """The patterns with new tries; those that changed last are last."""
    patterns = {pattern.kind: pattern for pattern in known}
    for one in outcomes:
        kind = _kind(one.title, one.files)
        before = patterns.pop(kind, None) or Pattern(kind=kind)
        good = one.verdict == "verified"
        patterns[kind] = replace(
            before,
            tries=before.tries + 1,
            verified=before.verified + good,
            tokens=before.tokens + one.tokens,
            files=tuple(dict.fromkeys((*one.files, *before.files)))[:_FILES]
            if good
            else before.files,
        )
    return tuple(patterns.values())


def advice(
    lessons: Sequence[Lesson], patterns: Sequence[Pattern], task: Task, faults: Iterable[Fault]
) -> list[str]:
    """What was learned that bears on a task and on what went wrong with it so far: lines for
    its prompt, the most telling first."""
    by_signature = {lesson.signature: lesson for lesson in lessons}
    seen = dict.fromkeys(map(signature, faults))
    lines = [_resolved(by_signature[key]) for key in seen if key in by_signature]
    lines = list(filter(None, lines))
    kind = _kind(task.title, task.files)
    for pattern in patterns:
        if pattern.kind == kind and pattern.tries > 1:
            line = f"Of {pattern.tries} tries at tasks like this one {pattern.verified} held"
            files = f"; they changed {', '.join(pattern.files)}" if pattern.files else ""
            lines.append(f"{line}{files}.")
    common = (one for one in reversed(lessons) if one.seen > 1 and one.signature not in seen)
    lines += filter(None, map(_resolved, islice(common, 5)))
    return lines


def _resolved(lesson: Lesson) -> str:
    if not lesson.resolved:
        return ""
    files = f" (in {', '.join(lesson.files)})" if lesson.files else ""
    return f"Seen before: {lesson.example!r}. What resolved it{files}: {lesson.resolution}"


def _kind(title: str, files: Sequence[str]) -> str:
    word = next(iter(re.findall(r"[^\W\d_]+", title.lower())), "")
    suffixes = [suffix for path in files if (suffix := PurePosixPath(path).suffix)]
    common = max(sorted(set(suffixes)), key=suffixes.count, default="")
    return f"{word} {common}".strip()
