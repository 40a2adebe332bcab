"""Attempts at tasks: how soon an agent is at work, one at a time and fifty at once.

The floor is `git worktree add` of the same repository, as git does it, and a bare process.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from pathlib import Path

from msgspec import Struct

from benchmarks.measure import Bench
from benchmarks.table import Row, at_most
from stoker.engine.engine import Engine
from stoker.journal.open import open_journal
from stoker.steps.registry import kinds
from stoker.tasks.service import Tasks, opened

_PROMPT = '[{"say": "done"}]'
_P50_MS, _P99_MS, _MANY_SEC = 40, 150, 2


class Found(Struct, frozen=True, kw_only=True):
    """What was measured on one repository."""

    floors: list[float]
    """Milliseconds."""
    alone: list[float]
    """Milliseconds."""
    together: float
    """Seconds."""
    again: float | None
    """Seconds; None: its checkouts are not made in advance."""


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """On a small repository and on one of 5,000 files."""
    sizes = (5,) if quick else (20, 5_000)
    return [row for files in sizes for row in _rows(bench, files, quick=quick)]


def _rows(bench: Bench, files: int, *, quick: bool) -> list[Row]:
    folder = bench.fresh()
    (folder / "state").mkdir()
    counts = (3, 3) if quick else (30, 50)
    found = asyncio.run(_attempts(folder, repository(folder / "repository", files), *counts))
    first, *alone = found.alone
    p50, p99 = statistics.median(alone), sorted(alone)[-1 - len(alone) // 100]
    floor = statistics.median(found.floors)
    ratio = statistics.median(a / b for a, b in zip(alone, found.floors[1:], strict=True))
    title = f"start of an attempt, {files:,} files"
    rows = [
        Row(measure=title, who="git worktree add and /bin/true", value=floor, unit="ms"),
        _row(title, p50, "ms", "p50", _P50_MS, floor=ratio),
        _row(f"{title}, slowest", p99, "ms", "p99", _P99_MS),
        Row(measure=f"{title}, the first", value=first, unit="ms", floor=first / floor),
        _row(f"{counts[1]} at once, {files:,} files", found.together, "s", "all", _MANY_SEC),
    ]
    if found.again is not None:
        title = f"{counts[1]} more, {files:,} files, checkouts ready"
        rows.append(_row(title, found.again, "s", "all", _MANY_SEC))
    return rows


def _row(
    title: str, value: float, unit: str, what: str, limit: float, *, floor: float | None = None
) -> Row:
    goal, met = at_most(what, value, limit, f" {unit}")
    return Row(measure=title, value=value, unit=unit, floor=floor, goal=goal, met=met)


def repository(path: Path, files: int) -> Path:
    """A repository of one commit with so many files."""
    path.mkdir()
    for number in range(files):
        file = path / f"d{number % 50}" / f"f{number}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"file {number}\n" * 20)
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=B", "-c", "user.email=b@example.com", "commit", "-q", "-m", "first"),
    ):
        subprocess.run(["git", "-C", path, *words], check=True)
    return path


def _floor(folder: Path, repository: Path, number: int) -> float:
    began = time.perf_counter()
    place = folder / f"bare-{number}"
    add = ("worktree", "add", "-q", "-b", f"bare-{number}", place)
    subprocess.run(["git", "-C", repository, *add], check=True)
    subprocess.run(["/bin/true"], cwd=place, check=True)
    return (time.perf_counter() - began) * 1000


async def _attempts(folder: Path, source: Path, count: int, many: int) -> Found:
    """`count` starts, each after the floor and so with time for a checkout in advance; then
    `many` at once, and as many again when there was time to make what these wanted."""
    state = folder / "state"
    floors, alone, again = [], [], None
    journal = await open_journal(state / "journal.db")
    try:
        async with (
            Engine(journal, state, kinds()) as engine,
            opened(engine) as tasks,
            tasks.starter.spares,
        ):
            project = (await tasks.catalog.create_project("bench", str(source))).project_id
            for number in range(count):
                floors.append(await asyncio.to_thread(_floor, folder, source, number))
                alone.append(await _one(tasks, project, wait=True))
            together = await _burst(tasks, project, many)
            if tasks.starter.spares.ready:
                while tasks.starter.spares.ready < many:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)
                again = await _burst(tasks, project, many)
    finally:
        await journal.close()
    return Found(floors=floors, alone=alone, together=together, again=again)


async def _burst(tasks: Tasks, project_id: str, many: int) -> float:
    """Seconds until all are started; returns when all are over."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        started = [
            group.create_task(
                tasks.starter.create_and_start(project_id, _PROMPT, executor="SCRIPTED")
            )
            for _ in range(many)
        ]
    took = time.perf_counter() - began
    for one in started:
        await tasks.turns.settled(one.result().attempt.attempt_id)
    return took


async def _one(tasks: Tasks, project_id: str, *, wait: bool) -> float:
    began = time.perf_counter()
    begun = await tasks.starter.create_and_start(project_id, _PROMPT, executor="SCRIPTED")
    took = (time.perf_counter() - began) * 1000
    if wait:
        await tasks.turns.settled(begun.attempt.attempt_id)
    return took
