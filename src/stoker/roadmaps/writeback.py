"""Boxes ticked in the user's file, once the journal says that their tasks are done; and tasks
that are added to it taken up.

The file may have been edited since the run began: tasks are found again by who they are.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from stoker.engine.commands import CommandRefused
from stoker.plan.errors import PlanError
from stoker.roadmaps import detect, writing
from stoker.roadmaps.begun import settings_of
from stoker.roadmaps.bench import Bench
from stoker.roadmaps.document import Roadmap, Status, Task
from stoker.roadmaps.format import NotReadable, Reading
from stoker.roadmaps.matching import match
from stoker.roadmaps.plan import extension
from stoker.roadmaps.taking_up import added
from stoker.roadmaps.unit import Job, Unit, family, is_open

_RACES: Final = 5


def read_again(job: Job) -> Roadmap:
    """The plan file as it is now. Raises `NotReadable`."""
    reading = Reading(include_fenced=job.include_fenced, tag=job.tag)
    root = Path(job.root)
    return detect.read(Path(job.source), root=root, format=job.format, reading=reading)


async def write_back(
    bench: Bench,
    run_id: str,
    unit: Unit,
    say: Callable[[str], None],
    status: Status = "done",
    *,
    anyway: bool = False,
) -> dict[str, str]:
    """Give a unit's tasks and their subtasks a status in the file, unless they have been given
    another one there since the run began; `anyway`: though the run is not to. Returns which of
    the unit's tasks could not be marked, and why: the journal has it."""
    began = await bench.begun(run_id)
    if not (began.job.sync or anyway):
        return {}
    async with bench.writing:
        if run_id in bench.given_up and status == "done":
            return {}
        try:
            left = await to_thread(mark, began.job, began.document, unit, status)
        except (NotReadable, writing.Changed, OSError) as error:
            left = dict.fromkeys(unit.ids, str(error))
    for name in unit.ids:
        say(f"{name} not marked {status}: {left[name]}\n" if name in left else f"{name} {status}\n")
    return left


async def take_up(bench: Bench, run_id: str, say: Callable[[str], None]) -> None:
    """Extend a run by the tasks that were added to its plan file, unless it is a part of the file
    that it was to do. What cannot be added is told by `say`."""
    async with bench.writing:  # what another one has just added is known here
        began = await bench.begun(run_id)
        settings = settings_of((await bench.state(run_id)).plan)
        if not began.job.sync or settings.only or settings.max_tasks:
            return
        try:
            now = await to_thread(read_again, began.job)
            new = await to_thread(added, began.document, now)
            if new:
                units = [one.unit for one in (await bench.standing(run_id)).units]
                homes = {name: unit.id for unit in units for name in unit.ids}
                steps = extension(began, new, settings, homes)
                await bench.extend(run_id, steps, by="the plan file")
        except (NotReadable, PlanError, CommandRefused) as error:
            say(f"what was added to the plan file was not taken up: {error}\n")
            return
    if new:
        say(f"added to the plan file meanwhile: {', '.join(task.id for task in new)}\n")


async def decided_by_hand(bench: Bench, run_id: str, unit: Unit) -> str | None:
    """What the file says of a unit since the run began, which leaves nothing to be done: `ticked`,
    by whoever could write to it; `skipped`; or `removed`."""
    began = await bench.begun(run_id)
    before = began.document
    try:
        now = await to_thread(read_again, began.job)
    except NotReadable:
        return None  # what the run began with holds
    if now.sha256 == before.sha256:
        return None
    same = (await to_thread(match, before, now)).same
    tasks = {task.id: task for task in now.walk()}
    found = [tasks[same[name]] for name in unit.ids if name in same]
    if not found:
        return "removed"
    if any(is_open(task) for task in found):
        return None
    return "ticked" if any(task.status == "done" for task in found) else "skipped"


def mark(job: Job, before: Roadmap, unit: Unit, status: Status) -> dict[str, str]:
    """The same, told what the file was when the run began. Raises `NotReadable`, `Changed`,
    `OSError`."""
    open_then = {task.id for task in before.walk() if is_open(task)}
    ids = {task.id for task in family(unit.tasks)} & open_then
    for races in range(_RACES):
        now = read_again(job)
        same = match(before, now).same
        wanted = {same[name] for name in ids if name in same}
        tasks = [
            task
            for task in now.walk()
            if task.id in wanted and (is_open(task) if status == "done" else task.status != status)
        ]
        more = _completed(now, wanted) if status == "done" else []
        source = detect.source_of(Path(job.source), Path(job.root))
        form = detect.find(source, job.format)
        edits = {task.id: form.edits(source, now, task, status) for task in (*tasks, *more)}
        try:
            chosen = dict.fromkeys(edit for found in edits.values() for edit in found)
            writing.apply(Path(job.root), chosen)
        except writing.Changed:
            if races == _RACES - 1:
                raise
            continue
        left = dict.fromkeys(ids.intersection(unit.ids) - set(same), "it is not in the file now")
        own = {task.id for task in tasks if not edits[task.id]}
        nowhere = (name for name in unit.ids if same.get(name) in own)
        return left | dict.fromkeys(nowhere, "the file has no place for it")
    raise AssertionError("unreachable")


def _completed(roadmap: Roadmap, ticked: Collection[str]) -> list[Task]:
    """Tasks that are still open, and with what is ticked now the last of their subtasks is done."""
    found: list[Task] = []
    done = {*ticked, *(task.id for task in roadmap.walk() if task.status == "done")}
    fresh = set(ticked)
    for task in reversed(list(roadmap.walk())):  # subtasks first
        below = [sub.id for sub in task.subtasks]
        if (
            task.id not in done
            and task.status in ("pending", "in_progress")
            and not fresh.isdisjoint(below)
            and done.issuperset(below)
        ):
            found.append(task)
            done.add(task.id)
            fresh.add(task.id)
    return found
