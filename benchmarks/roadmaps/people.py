"""What people do while agents are at work. Their tree is dirty from the beginning."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.roadmaps.campaign import Cell, judge, settings, stoker
from benchmarks.roadmaps.item import Item
from benchmarks.roadmaps.policies import Agent, ModelServer
from benchmarks.roadmaps.project import PLAN, Project


def edited(items: Sequence[Item]) -> Cell:
    """A line is put before the tasks, and a file left lying about."""

    def edit(project: Project) -> None:
        head, more = "# The workshop\n", "# The workshop\n\nBy hand.\n"
        path = project.root / PLAN
        path.write_text(path.read_text().replace(head, more))
        project.plan_before = project.plan_before.replace(head.encode(), more.encode())
        (project.root / "by-hand.txt").write_text("a person's\n")

    return _disturbed("file edited mid-run", items, edit)


def switched(items: Sequence[Item]) -> Cell:
    """Another branch is checked out."""
    return _disturbed(
        "branch switched mid-run", items, lambda project: project.git("switch", "-qc", "other")
    )


def _disturbed(name: str, items: Sequence[Item], do: Callable[[Project], object]) -> Cell:
    with tempfile.TemporaryDirectory(prefix="roadmap-") as folder:
        projects: list[Project] = []

        def act(item: Item) -> None:
            if item is items[1]:
                do(projects[0])
                projects[0].before = projects[0].untouched()

        agent = Agent(on_first=act)
        with ModelServer(agent) as server:
            projects.append(Project(Path(folder, "repository"), items))
            environment = settings(Path(folder), server)
            stoker(projects[0], environment, "run", PLAN, "--agent", "BUILTIN")
            return judge(name, projects[0], agent)
