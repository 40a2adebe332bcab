"""Reading plan files of many tasks, beside a Markdown parser that only finds their blocks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Bench, note
from benchmarks.table import Row, at_most
from stoker.roadmaps import writing
from stoker.roadmaps.format import Format, Reading, Source
from stoker.roadmaps.formats import checklist, roadmap, spec_kit

_LIMIT_MS = 100
_ROUNDS = 5
_SECTION = 20  # tasks


def _checklist(count: int) -> str:
    parts = ["# To do\n"]
    for number in range(count):
        if number % _SECTION == 0:
            parts.append(f"\n## Part {number // _SECTION}\n")
        parts.append(f"- [{'x' if number % 3 else ' '}] Do the thing number {number} in `src/a.py`")
    return "\n".join(parts)


def _roadmap(count: int) -> str:
    parts = ["# Roadmap\n"]
    for number in range(count // 2):
        section = number // _SECTION
        if number % (10 * _SECTION) == 0:
            parts.append(
                f"\n## Phase {section // 10}: Name\n\n> **Goal**: goal\n> **Priority**: HIGH"
            )
        if number % _SECTION == 0:
            parts.append(f"\n### {section // 10}.{section % 10} Section\n\n**Files**: `src/a.py`\n")
        parts.append(f"- [ ] **Task {number}**\n  What it is about, in a line.\n  - [ ] its part")
    return "\n".join(parts)


def _spec_kit(count: int) -> str:
    parts = ["# Tasks: A feature\n"]
    for number in range(count):
        if number % 100 == 0:
            parts.append(f"\n## Phase {number // 100 + 1}: Name (Priority: P1)\n\n**Goal**: goal\n")
        after = f" (depends on T{number:05})" if number else ""
        parts.append(f"- [ ] T{number + 1:05} [P] [US1] Write src/part/file{number}.py{after}")
    return "\n".join(parts)


_KINDS: tuple[tuple[Format, Callable[[int], str]], ...] = (
    (checklist.FORMAT, _checklist),
    (roadmap.FORMAT, _roadmap),
    (spec_kit.FORMAT, _spec_kit),
)


def _took(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Medians of reading a file, and of ticking a task in it."""
    from markdown_it import MarkdownIt

    count = 200 if quick else 10_000
    rows = []
    for format_, write in _KINDS:
        text = write(count)
        path = Path(bench.fresh()) / "tasks.md"
        path.write_text(text)
        source = Source(root=path.parent, path=path)
        document = format_.read(source, Reading())
        assert sum(1 for _ in document.walk()) == count
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(1 if quick else max(_ROUNDS, bench.rounds)):
            ours.append(_took(lambda: format_.read(source, Reading())))  # noqa: B023
            theirs.append(_took(lambda: MarkdownIt("commonmark").parse(text)))  # noqa: B023
        note(f"{format_.name}: {ours}, markdown-it-py {theirs}")
        label = f"{count:,} tasks read, {format_.name}"
        value = statistics.median(ours)
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        goal, met = at_most("", value, _LIMIT_MS, " ms")
        rows += [
            Row(measure=label, who="markdown-it-py", value=statistics.median(theirs), unit="ms"),
            Row(measure=label, value=value, unit="ms", floor=ratio, goal=goal, met=met),
        ]
        tasks = [task for task in document.walk() if task.status != "done"][:20]
        ticks = [
            _took(
                lambda: writing.apply(
                    path.parent,  # noqa: B023
                    format_.edits(source, document, task, "done"),  # noqa: B023
                )
            )
            for task in tasks
        ]
        rows.append(Row(measure="one of them ticked", value=statistics.median(ticks), unit="ms"))
    return rows
