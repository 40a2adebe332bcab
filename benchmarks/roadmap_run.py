"""Roadmaps that are run: what a task costs beside its agent and its tests, and what is won by
doing two at once.

The floor of a task is what git itself takes for its two checkouts: a worktree, a commit of what
was changed in it, that commit written somewhere else, and both removed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from msgspec import Struct

from benchmarks.attempts import repository
from benchmarks.measure import Bench, note
from benchmarks.table import Row, at_least, at_most
from stoker.engine.engine import Engine
from stoker.engine.nested import replayed
from stoker.engine.options import RunOptions
from stoker.journal.open import open_journal
from stoker.roadmaps.begin import open_branch, prepare
from stoker.roadmaps.standing import Standing, standing
from stoker.roadmaps.tries import AGENT, VERIFY
from stoker.steps.registry import kinds

_LIMIT_MS, _FASTER = 250, 1.7
_FILES, _TASKS = 7_000, 12
_WAIT_SEC, _WAITING = 4, 6


class _Run(Struct, frozen=True):
    """One that is over."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds a task, of all processes."""
    beside: list[float]
    """Milliseconds from the start of each task to that of the next, without its agent and tests;
    of one at a time."""


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Medians of the rounds, and of the tasks but the first."""
    files, tasks = (600, 3) if quick else (_FILES, _TASKS)
    runs, floors = [], []
    for _ in range(bench.rounds):
        folder = bench.fresh()
        root = _project(folder, files, tasks)
        runs.append(_run(folder, root, wait=0, parallel=1))
        floors.append(statistics.median(_floor(folder, root, number) for number in range(3)))
        note(f"roadmap-run: {runs[-1]}, git {floors[-1]:.0f} ms")
    value = statistics.median(statistics.median(run.beside[1:]) for run in runs)
    ratio = statistics.median(
        statistics.median(run.beside[1:]) / floor for run, floor in zip(runs, floors, strict=True)
    )
    first = statistics.median(run.beside[0] for run in runs)
    title = f"a task beside its agent and tests, {files:,} files"
    goal, met = at_most("", value, _LIMIT_MS, " ms")
    rows = [
        Row(measure=title, who="git: two checkouts, a commit", value=statistics.median(floors),
            unit="ms"),
        Row(measure=title, value=value, unit="ms", floor=ratio, goal=goal, met=met,
            cpu=statistics.median(run.cpu for run in runs)),
        Row(measure=f"{title}, the first of a run", value=first, unit="ms"),
    ]  # fmt: skip
    return [*rows, *_together(bench, quick=quick)]


def _together(bench: Bench, *, quick: bool) -> list[Row]:
    tasks, wait = (2, 1) if quick else (_WAITING, _WAIT_SEC)
    found: list[tuple[float, float]] = []
    for _ in range(bench.rounds):
        walls = []
        for parallel in (1, 2):
            folder = bench.fresh()
            root = _project(folder, 20, tasks)
            walls.append(_run(folder, root, wait=wait, parallel=parallel).wall)
        found.append((walls[0], walls[1]))
        note(f"roadmap-run: one at a time {walls[0]:.2f} s, two {walls[1]:.2f} s")
    alone, both = (statistics.median(pair[n] for pair in found) for n in range(2))
    faster = statistics.median(pair[0] / pair[1] for pair in found)
    title = f"{tasks} tasks whose agents wait {wait} s"
    goal, met = at_least("x faster", faster, _FASTER)
    return [
        Row(measure=title, who="stoker, one at a time", value=alone, unit="s"),
        Row(measure=title, who="stoker, two", value=both, unit="s", floor=both / alone,
            goal=goal, met=met),
    ]  # fmt: skip


def _project(folder: Path, files: int, tasks: int) -> Path:
    """A repository with a plan of so many tasks, which do not depend on each other."""
    root = repository(folder / "repository", files)
    lines = ["# Plan", "", "## Phase 1: All", ""]
    for number in range(1, tasks + 1):
        lines += [f"### 1.{number} Part {number}", "", f"- [ ] **Make part {number}**", ""]
    (root / "ROADMAP.md").write_text("\n".join(lines))
    for words in (
        ("config", "user.name", "B"),
        ("config", "user.email", "b@example.com"),
        ("add", "."),
        ("commit", "-q", "-m", "plan"),
        ("repack", "-q", "-a", "-d"),
    ):
        subprocess.run(["git", "-C", root, *words], check=True)
    return root


def _run(folder: Path, root: Path, *, wait: float, parallel: int) -> _Run:
    script = folder / "script.json"
    made = f"sleep {wait}; date > made-$(basename $PWD).css"
    script.write_text(json.dumps([{"run": made}]))
    profile = {"additional_params": ["--script", str(script)], "readable": [str(script)]}
    profiles = folder / "profiles.json"
    profiles.write_text(json.dumps({"executors": {"SCRIPTED": {"DEFAULT": {"SCRIPTED": profile}}}}))
    os.environ["STOKER_PROFILES"] = str(profiles)
    (folder / "state").mkdir()
    before = _cpu()
    wall, units, agents = asyncio.run(_carried_out(folder / "state", root, parallel))
    beside = [
        ((after.started or 0) - (one.started or 0) - agent - _tests(one)) * 1000
        for (one, after), agent in zip(itertools.pairwise(units), agents, strict=False)
    ]
    return _Run(wall, (_cpu() - before) / len(units), beside)


async def _carried_out(
    state: Path, root: Path, parallel: int
) -> tuple[float, list[Standing], list[float]]:
    """Seconds it took; its tasks in the order they began; of each the seconds of its agent."""
    over = {"agent": "SCRIPTED", "command": "true", "parallel": parallel}
    journal = await open_journal(state / "journal.db")
    try:
        async with Engine(journal, state, kinds()) as engine:
            prepared = await prepare(root / "ROADMAP.md", state, over, kinds=kinds())
            assert prepared.plan is not None
            await open_branch(prepared)
            began = time.perf_counter()
            run = await engine.start(prepared.plan, options=RunOptions(cwd=str(root)))
            outcome = await run.wait()
            wall = time.perf_counter() - began
        assert outcome.status == "succeeded", outcome
        found = await standing(journal, run.run_id)
        units = sorted(found.units, key=lambda one: one.started or 0)
        assert all(one.status == "done" and len(one.tries) == 1 for one in units), units
        agents = []
        for one in units:
            steps = await replayed(journal, one.tries[0].run_id)
            began, ended = (steps[name].last_started or 0 for name in (AGENT, VERIFY))
            agents.append(ended - began)
        return wall, units, agents
    finally:
        await journal.close()


def _tests(one: Standing) -> float:
    evidence = one.tries[0].evidence
    assert evidence is not None
    return sum(command.seconds for command in evidence.commands)


def _cpu() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def _floor(folder: Path, root: Path, number: int) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    place, other = folder / f"bare-{number}", folder / f"other-{number}"
    branch = f"bare-{number}"
    _git(root, "worktree", "add", "-q", "-b", branch, str(place))
    (place / "made.txt").write_text("made\n")
    _git(place, "add", "--all")
    _git(place, "commit", "-q", "-m", "made")
    other.mkdir()
    index = {"GIT_INDEX_FILE": str(folder / f"index-{number}")}
    _git(root, f"--work-tree={other}", "read-tree", "--reset", "-u", branch, env=index)
    _git(root, "worktree", "remove", "--force", str(place))
    shutil.rmtree(other)
    return (time.perf_counter() - began) * 1000


def _git(cwd: Path, *args: str, env: dict[str, str] | None = None) -> None:
    subprocess.run(["git", *args], cwd=cwd, check=True, env={**os.environ, **(env or {})})
