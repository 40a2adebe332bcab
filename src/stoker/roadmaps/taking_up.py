"""Tasks that people add to the plan file while its run is under way."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.identity import fingerprint
from stoker.roadmaps.matching import match
from stoker.roadmaps.unit import family, is_open


def added(known: Roadmap, now: Roadmap) -> tuple[Task, ...]:
    """The open tasks of `now` that are none of `known`, by who they are. Their ids and those they
    name are such as `known` has, which a task put in before others does not change. A subtask
    that was added is its task said otherwise, and not among them."""
    found = match(known, now)
    new = set(found.added)
    names = {there: here for here, there in found.same.items()}
    taken = {task.id for task in known.walk()}
    chosen = [task for task in now.tasks if task.id in new and is_open(task)]
    for task in family(chosen):
        if task.id in new:
            names[task.id] = _free(task, taken)
            taken.add(names[task.id])
    phases = _phases(known, now)
    return tuple(_renamed(task, names, phases) for task in chosen)


def _free(task: Task, taken: Iterable[str]) -> str:
    if task.id not in taken:
        return task.id
    return f"{task.id}-{fingerprint(task.title, (task.section or '',), task.context)}"


def _phases(known: Roadmap, now: Roadmap) -> dict[str, str]:
    """Ids of phases of `now` as `known` has them, where their names tell."""
    ids = {phase.name: phase.id for phase in known.phases}
    return {phase.id: ids.get(phase.name, phase.id) for phase in now.phases}


def _renamed(task: Task, names: dict[str, str], phases: dict[str, str]) -> Task:
    return replace(
        task,
        id=names.get(task.id, task.id),
        depends_on=tuple(names.get(name, name) for name in task.depends_on),
        phase=phases.get(task.phase or "", task.phase),
        subtasks=tuple(_renamed(one, names, phases) for one in task.subtasks),
    )
