"""Attempts at tasks: how soon an agent is at work, one at a time and fifty at once.

The floor is `git worktree add` of the same repository, as git does it, and a bare process.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.measure import Bench
from benchmarks.table import Row, at_most
from stoker.engine.engine import Engine
from stoker.journal.open import open_journal
from stoker.steps.registry import kinds
from stoker.tasks.service import Tasks, opened

_PROMPT = '[{"say": "done"}]'
_P50_MS, _P99_MS, _MANY_SEC = 40, 150, 2


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """On a small repository and on one of 5,000 files."""
    sizes = (5,) if quick else (20, 5_000)
    return [row for files in sizes for row in _rows(bench, files, quick=quick)]


def _rows(bench: Bench, files: int, *, quick: bool) -> list[Row]:
    folder = bench.fresh()
    repository = _repository(folder / "repository", files)
    count, many = (3, 3) if quick else (30, 50)
    floor = statistics.median(_floor(folder, repository, number) for number in range(count))
    (folder / "state").mkdir()
    alone, together = asyncio.run(_attempts(folder / "state", repository, count, many))
    p50, p99 = statistics.median(alone), sorted(alone)[-1 - len(alone) // 100]
    title = f"start of an attempt, {files:,} files"
    goal, met = at_most("p50", p50, _P50_MS, " ms")
    last, soon = at_most("p99", p99, _P99_MS, " ms")
    all_, fast = at_most("all", together, _MANY_SEC, " s")
    return [
        Row(measure=title, who="git worktree add and /bin/true", value=floor, unit="ms"),
        Row(measure=title, value=p50, unit="ms", floor=p50 / floor, goal=goal, met=met),
        Row(measure=f"{title}, slowest", value=p99, unit="ms", goal=last, met=soon),
        Row(
            measure=f"{many} at once, {files:,} files",
            value=together,
            unit="s",
            goal=all_,
            met=fast,
        ),
    ]


def _repository(path: Path, files: int) -> Path:
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


async def _attempts(
    state: Path, repository: Path, count: int, many: int
) -> tuple[list[float], float]:
    """Milliseconds of each of `count` starts, and seconds for `many` at once."""
    journal = await open_journal(state / "journal.db")
    try:
        async with (
            Engine(journal, state, kinds()) as engine,
            opened(engine) as tasks,
        ):
            project = await tasks.catalog.create_project("bench", str(repository))
            alone = [await _one(tasks, project.project_id, wait=True) for _ in range(count)]
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for _ in range(many):
                    group.create_task(_one(tasks, project.project_id, wait=False))
            return alone, time.perf_counter() - began
    finally:
        await journal.close()


async def _one(tasks: Tasks, project_id: str, *, wait: bool) -> float:
    began = time.perf_counter()
    begun = await tasks.starter.create_and_start(project_id, _PROMPT, executor="SCRIPTED")
    took = (time.perf_counter() - began) * 1000
    if wait:
        await tasks.turns.settled(begun.attempt.attempt_id)
    return took
