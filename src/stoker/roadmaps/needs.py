"""What a task turned out to need, done before it is tried again: a step of the run by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from stoker.engine.commands import CommandRefused
from stoker.engine.kinds import Attempt
from stoker.engine.state import RunState
from stoker.plan.errors import PlanError
from stoker.roadmaps.bench import Bench
from stoker.roadmaps.document import Task
from stoker.roadmaps.identity import slug
from stoker.roadmaps.plan import needed
from stoker.roadmaps.rollback import waiting
from stoker.roadmaps.standing import is_unit, unit_of
from stoker.roadmaps.suggest import Suggestion
from stoker.roadmaps.tries import Try
from stoker.roadmaps.unit import Unit

_NEEDS: Final = "-needs-"
_MOST: Final = 2
"""For one task."""


def is_own(step_id: str, unit: Unit) -> bool:
    """Whether what a step does is in no plan file."""
    return _NEEDS in step_id and step_id == unit.id


async def meet(bench: Bench, attempt: Attempt, unit: Unit, past: Sequence[Try]) -> list[Suggestion]:
    """Wait until what the last try lacked is done, by a step that the run is extended by if there
    is none; with `auto_fix` only. Returns what was suggested, if it is done."""
    if unit.options.adapt != "auto_fix" or unit.gate or not past or _NEEDS in attempt.step_id:
        return []
    run_id = attempt.run_id
    for one in past[-1].suggestions:
        if one.kind == "insert_prerequisite_task":
            home = await _home(bench, run_id, unit, one)
            if home is not None:
                attempt.write(f"{one.reason}: step {home} comes first\n")
                await attempt.others(home)
                done = (await bench.state(run_id))[home].status == "succeeded"
                return [one] if done else []
    return []


async def _home(bench: Bench, run_id: str, unit: Unit, one: Suggestion) -> str | None:
    """The step that does what is needed; None: it cannot be done before."""
    state, run = await bench.state(run_id), await bench.standing(run_id)
    step_id = f"{unit.id}{_NEEDS}{slug(one.task or one.value)}"
    if step_id in state.graph.index:
        return step_id
    if sum(name.startswith(f"{unit.id}{_NEEDS}") for name in state.graph.index) >= _MOST:
        return None
    first = unit.tasks[0]
    if one.task:
        other = next((each for each in run.units if each.unit.id == one.task), None)
        waits = {name: each.waits for each in run.units for name in each.unit.ids}
        later = {*unit.ids, *waiting(waits, unit.ids)}
        if other is None or not later.isdisjoint(other.unit.ids):
            return None
        status = state[one.task].status
        if status != "pending":  # it is begun, or next
            return one.task if status in ("waiting", "running") else None
        wanted = other.unit
    else:
        task = Task(
            id=step_id,
            title=f"Make {one.value}",
            line=first.line,
            column=first.column,
            phase=first.phase,
            description=f"{one.reason}. Make what {unit.id} needs of it, and no more; that is:\n"
            f"{first.title}\n{first.description}",
        )
        wanted = replace(unit, tasks=(task,))
    steps = needed(await bench.begun(run_id), wanted, step_id)
    try:
        await bench.extend(run_id, steps, by=f"task {unit.id}")
    except (PlanError, CommandRefused):
        return None  # the run is ending
    return step_id


async def done_before(bench: Bench, attempt: Attempt, unit: Unit) -> dict[str, Any] | None:
    """What a step has put out that has done the unit's tasks before their turn came."""
    state: RunState = await bench.state(attempt.run_id)
    began = await bench.begun(attempt.run_id)
    early = (
        step
        for step in state.steps
        if _NEEDS in step.step.id and step.step.id != attempt.step_id and is_unit(step)
    )
    for step in early:
        if step.status == "succeeded" and unit_of(step, began).ids == unit.ids:
            return {**step.outputs, "by": step.step.id}
    return None
