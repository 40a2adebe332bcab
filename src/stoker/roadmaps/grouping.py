"""Which tasks are worked at together.

`none`: each by itself. `section`: those under one heading. `smart`: those under one heading
that follow each other and share files, names in backticks, or most of their words. Order is
kept, and what differs in its settings is never together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal

from stoker.roadmaps.context.words import STOP
from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.settings import Options, Settings, options
from stoker.roadmaps.unit import Unit, family, is_open

OVERLAP: Final = 0.6
MOST: Final = 8
"""Tasks in a group: an agent's context is finite."""
_ENTITY = re.compile(r"`([^`\s]{2,})`")
_WORD = re.compile(r"[a-z][a-z0-9_]{2,}")


def units(roadmap: Roadmap, settings: Settings) -> list[Unit]:
    """What is still to be done, in the order of the file."""
    goals = {phase.id: phase.goal or phase.text for phase in roadmap.phases}
    chosen = [
        task
        for task in workable(roadmap, settings.mode)
        if is_open(task) and (settings.optional or not task.optional)
    ]
    held = [(task, options(settings, task.id, task.phase)) for task in chosen]
    return [
        Unit(tasks=tuple(group), options=said, goal=goals.get(group[0].phase or "", ""))
        for group, said in _groups(held, settings.grouping)
    ]


def workable(roadmap: Roadmap, mode: Literal["task", "todo"]) -> Sequence[Task]:
    """What may be a unit's: tasks, or what they are made of."""
    return _leaves(roadmap.tasks) if mode == "todo" else roadmap.tasks


def _leaves(tasks: Sequence[Task]) -> list[Task]:
    """Tasks without subtasks: one after the other where they have the same parent."""
    from msgspec.structs import replace

    found: list[Task] = []
    for task in tasks:
        before = ""
        for leaf in _leaves(task.subtasks):
            waits = (*task.depends_on, *leaf.depends_on, *([before] if before else []))
            context = f"Part of: {task.title}\n{task.description}\n\n{leaf.context}"
            found.append(
                replace(
                    leaf,
                    depends_on=tuple(dict.fromkeys(waits)),
                    context=context,
                    section=leaf.section or task.section,
                    phase=leaf.phase or task.phase,
                    verify=leaf.verify or task.verify,
                )
            )
            before = leaf.id
        if not task.subtasks:
            found.append(task)
    return found


def _groups(
    held: Sequence[tuple[Task, Options]], grouping: Literal["none", "section", "smart"]
) -> list[tuple[list[Task], Options]]:
    groups: list[tuple[list[Task], Options]] = []
    places = {one.id: n for n, (task, _) in enumerate(held) for one in family((task,))}
    belongs: Callable[[Task, Task], bool] = alike if grouping == "smart" else lambda a, b: True
    furthest, together = -1, False
    for index, (task, said) in enumerate(held):
        needs = [places.get(name, -1) for one in family((task,)) for name in one.depends_on]
        furthest = max([furthest, *(place for place in needs if place != index)])
        # From a task that waits for a later one, up to that one, a group might have to wait for
        # what waits for it.
        before, together = together, furthest < index and grouping != "none" and not task.gate
        if before and together:
            group, of_group = groups[-1]
            if (
                len(group) < MOST
                and (group[0].phase, group[0].section) == (task.phase, task.section)
                and of_group == said
                and group[0].verify == task.verify
                and any(belongs(one, task) for one in group)
            ):
                group.append(task)
                continue
        groups.append(([task], said))
    return groups


def alike(one: Task, other: Task) -> bool:
    """They share files, names in backticks, or most of the significant words of the shorter."""
    if set(one.files) & set(other.files) or _entities(one) & _entities(other):
        return True
    ours, theirs = _words(one), _words(other)
    fewest = min(len(ours), len(theirs))
    return fewest > 0 and len(ours & theirs) >= OVERLAP * fewest


def _entities(task: Task) -> set[str]:
    return set(_ENTITY.findall(f"{task.title}\n{task.description}"))


def _words(task: Task) -> set[str]:
    return set(_WORD.findall(task.title.lower())) - STOP
