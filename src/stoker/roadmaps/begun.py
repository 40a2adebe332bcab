"""What a run began with, once in its journal: in the metadata of its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.plan.literally import literally
from stoker.plan.model import Plan
from stoker.roadmaps import grouping
from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.settings import Budget, Options, Settings
from stoker.roadmaps.unit import Job, Unit


class Planned(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A unit as a step of the run has it."""

    tasks: tuple[str | Task, ...]
    """Ids of tasks of the document; in full what is not in it."""
    options: Options = Options()
    said: tuple[str, ...] = ()
    """See `Unit.said`."""


class Begun(Struct, frozen=True, kw_only=True):
    """The same for all units of a run."""

    job: Job
    document: Roadmap
    budget: Budget
    tasks: Mapping[str, Task]
    """Those that are worked at, by their ids."""

    def planned(self, unit: Unit) -> Planned:
        """The shortest that `unit` gives back."""
        return Planned(
            tasks=tuple(
                task.id if self.tasks.get(task.id) == task else task for task in unit.tasks
            ),
            options=unit.options,
            said=unit.said,
        )

    def unit(self, planned: Planned) -> Unit:
        """A step's unit, whole."""
        found = tuple(self.tasks[task] if isinstance(task, str) else task for task in planned.tasks)
        goals = {phase.id: phase.goal or phase.text for phase in self.document.phases}
        goal = goals.get(found[0].phase or "", "")
        return Unit(tasks=found, options=planned.options, goal=goal, said=planned.said)


def begun(roadmap: Roadmap, job: Job, settings: Settings) -> Begun:
    """What a run of these begins with."""
    tasks = {task.id: task for task in grouping.workable(roadmap, settings.mode)}
    return Begun(job=job, document=roadmap, budget=settings.budget, tasks=tasks)


def metadata(one: Begun, settings: Settings) -> dict[str, Any]:
    """Of the run's plan."""
    said = {"job": one.job, "settings": settings, "document": one.document}
    found: dict[str, Any] = literally(msgspec.to_builtins(said))
    return found


def of(plan: Plan, added: Sequence[Task] = ()) -> Begun | None:
    """What the run of a plan began with, and tasks that were `added` to it since; None: it is no
    roadmap's."""
    if "document" not in plan.metadata:
        return None
    document = msgspec.convert(plan.metadata["document"], Roadmap)
    return begun(
        replace(document, tasks=(*document.tasks, *added)),
        msgspec.convert(plan.metadata["job"], Job),
        settings_of(plan),
    )


def settings_of(plan: Plan) -> Settings:
    """The settings that a run began with."""
    return msgspec.convert(plan.metadata.get("settings", {}), Settings)
