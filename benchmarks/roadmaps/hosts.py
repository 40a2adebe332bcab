"""What hosts and people do to a run: kills at random instants, edits while it runs, rollback."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from benchmarks.roadmaps.campaign import Cell, judge, settings, stoker
from benchmarks.roadmaps.item import Item
from benchmarks.roadmaps.policies import Agent, ModelServer
from benchmarks.roadmaps.project import PLAN, Project


class Killed(Struct, frozen=True):
    """A run that was killed and resumed."""

    cell: Cell
    kills: int
    twice: tuple[str, ...]
    """Items with more than one checkpoint commit."""


def killed(items: Sequence[Item], seed: int, *, kills: int = 3) -> Killed:
    """Kill the engine `kills` times at random instants, resuming each time, then let it end."""
    rng = random.Random(seed)
    agent = Agent()
    with tempfile.TemporaryDirectory(prefix="roadmap-") as folder, ModelServer(agent) as server:
        project = Project(Path(folder, "repository"), items)
        environment = settings(Path(folder), server)
        arguments = ["run", PLAN, "--agent", "BUILTIN", "--parallel", "2", "--run-id", "killed"]
        done = 0
        for _ in range(kills):
            process = subprocess.Popen(
                [sys.executable, "-m", "stoker.cli", "roadmap", *arguments],
                cwd=project.root,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                process.wait(rng.uniform(0.3, 6))
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                done += 1
            begun = (project.root / ".stoker" / "runs" / "killed").exists()
            arguments = ["resume", "killed"] if begun else arguments
        stoker(project, environment, *arguments)
        subjects = project.git("log", "--format=%s", project.branch).splitlines()
        twice = tuple(
            item.name for item in items if sum(item.title in line for line in subjects) > 1
        )
        return Killed(judge("killed", project, agent), done, twice)


def disturbed(items: Sequence[Item]) -> Cell:
    """A person puts a line before the tasks, ticks one by hand, and leaves the tree dirty while
    agents are at work."""
    with tempfile.TemporaryDirectory(prefix="roadmap-") as folder:
        project: Project | None = None

        def edit(item: Item) -> None:
            if project is None or item is not items[1]:
                return
            path = project.root / PLAN
            text = path.read_text().replace("# The workshop\n", "# The workshop\n\nBy hand.\n")
            path.write_text(text)
            project.plan_before = project.plan_before.replace(
                b"# The workshop\n", b"# The workshop\n\nBy hand.\n"
            )
            (project.root / "by-hand.txt").write_text("a person's\n")
            project.before = project.untouched()

        agent = Agent(on_first=edit)
        with ModelServer(agent) as server:
            project = Project(Path(folder, "repository"), items)
            environment = settings(Path(folder), server)
            stoker(project, environment, "run", PLAN, "--agent", "BUILTIN")
            return judge("file edited mid-run", project, agent)


def rolled_back(items: Sequence[Item]) -> bool:
    """Whether taking back every task, the last first, gives the tree that it began with, and
    leaves the user's alone."""
    agent = Agent()
    with tempfile.TemporaryDirectory(prefix="roadmap-") as folder, ModelServer(agent) as server:
        project = Project(Path(folder, "repository"), items)
        environment = settings(Path(folder), server)
        stoker(project, environment, "run", PLAN, "--agent", "BUILTIN")
        for number in range(len(items), 0, -1):
            stoker(project, environment, "rollback", "--task", f"1.{number}.1")
        tree = project.git("rev-parse", f"{project.branch}^{{tree}}")
        return (
            tree == project.git("rev-parse", "main^{tree}")
            and project.untouched() == project.before
            and not project.ticked()
        )
