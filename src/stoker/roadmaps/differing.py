"""Where a plan file does not say what its runs do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from stoker.journal.base import Journal
from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.matching import match
from stoker.roadmaps.standing import Standing, Standings, of_roadmaps
from stoker.roadmaps.unit import family, is_open


class Known(Struct, frozen=True, kw_only=True):
    """What the newest run that has worked at a task says of it."""

    run_id: str
    standing: Standing


class Differing(Struct, frozen=True, kw_only=True):
    """Tasks of which a plan file does not say what its runs do, by their ids there."""

    known: Mapping[str, Known]
    """All that a run has begun."""
    review: Mapping[str, Known]
    """Merged, or ticked during a run, and not verified."""
    owed: Mapping[str, Known]
    """Of which the file is to say what the run came to, and could not be written."""
    ticked: Mapping[str, Known]
    """Ticked, and no run has shown that they are done."""
    said: Mapping[str, tuple[str, ...]]
    """What people said of work for them when they turned it down, the last last."""


def same_plan(one: Roadmap, other: Roadmap) -> bool:
    """They have tasks in the same file, whether its directory was named or itself."""
    return not _files(one).isdisjoint(_files(other))


def _files(roadmap: Roadmap) -> set[Path]:
    return {Path(roadmap.root, task.path or roadmap.source) for task in roadmap.tasks}


async def differing(
    journal: Journal, roadmap: Roadmap, plan_id: str | None = None, *, without: str | None = None
) -> Differing:
    """`plan_id`: by the runs of this plan only; `without`: but for this run."""
    found: dict[str, Known] = {}
    said: dict[str, tuple[str, ...]] = {}
    standings = Standings(journal)
    async for row in of_roadmaps(journal, plan_id):
        if row.run_id == without:
            continue
        run = await standings.of(row.run_id, briefly=True)
        if run.job is None or not same_plan(run.document, roadmap):
            continue
        same = match(run.document, roadmap).same
        for one in run.units:
            begun = one.status != "pending" or one.unmarked
            for task in family(one.unit.tasks) if begun or one.said else ():
                if is_open(task) and (name := same.get(task.id)) is not None:
                    said[name] = one.said + said.get(name, ())
                    if begun:
                        found.setdefault(name, Known(run_id=run.run_id, standing=one))
    tasks = [(task, found[task.id]) for task in roadmap.walk() if task.id in found]
    review = {task.id: one for task, one in tasks if one.standing.to_review}
    return Differing(
        known=found,
        review=review,
        owed={
            task.id: one
            for task, one in tasks
            if one.standing.unmarked and (task.status == "done") != one.standing.done
        },
        ticked={
            task.id: one
            for task, one in tasks
            if task.status == "done"
            and task.id not in review
            and not (one.standing.done or one.standing.unmarked)
        },
        said=said,
    )


def stands(roadmap: Roadmap, found: Differing) -> Roadmap:
    """A plan file as its runs have it."""

    def changed(task: Task) -> Task:
        status = task.status
        if (one := found.known.get(task.id)) is None:
            pass
        elif task.id in found.review or task.id in found.ticked:
            status = "review"
        elif task.id in found.owed:
            status = "done" if one.standing.done else "pending"
        elif one.standing.status == "in_progress":
            status = "in_progress"
        return replace(task, status=status, subtasks=tuple(map(changed, task.subtasks)))

    return replace(roadmap, tasks=tuple(map(changed, roadmap.tasks)))
