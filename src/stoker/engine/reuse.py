"""What a new run of a plan may take over from an earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from stoker.engine.state import RunState
from stoker.journal.events import RUN_EXTENDED, Event
from stoker.plan.model import Step


def reusable(
    state: RunState, again: Iterable[str], *, partly: bool = True
) -> dict[str, Mapping[str, Any]]:
    """Outputs by id of the steps that succeeded and need not run when the steps `again` do.

    A step depends on those again that have to run again, also by order alone, and through
    fallbacks. Where only children of a step that was expanded have to run again, their
    siblings are in the result (see `expansions`) and the step is not. It counts as a whole
    if it might be expanded otherwise now, because not all it waits for is taken over; where
    a person had to let it run; and without `partly`.
    """
    graph, steps = state.graph, state.steps
    whole = {graph.index[step_id] for step_id in again}
    while True:
        repeated, joining = _repeated(state, whole, partly=partly)
        reused: dict[str, Mapping[str, Any]] = {
            step.step.id: step.outputs
            for index, step in enumerate(steps)
            if step.status == "succeeded"
            and index not in repeated
            and (step.parent is None or step.parent in joining)
        }
        unsure = {
            index
            for index in joining
            if not all(
                steps[other].step.id in reused
                for other in (*graph.dependencies[index], *graph.order_only[index])
            )
        }
        if unsure <= whole:
            return reused
        whole |= unsure


def _repeated(state: RunState, again: Iterable[int], *, partly: bool) -> tuple[set[int], set[int]]:
    """The steps that run again, and of those the expanded ones that only come to another end
    because some of their children run again."""
    repeated: set[int] = set()
    joining: set[int] = set()
    pending = list(again)
    while pending:
        index = pending.pop()
        if index in repeated and index not in joining:
            continue
        step = state.steps[index]
        repeated.add(index)
        joining.discard(index)
        pending += step.children
        if step.parent is not None and step.parent not in repeated:
            if partly and state.steps[step.parent].step.approval is None:
                repeated.add(step.parent)
                joining.add(step.parent)
                pending += _led_to(state, step.parent)
            else:
                pending.append(step.parent)
        pending += _led_to(state, index)
    return repeated, joining


def _led_to(state: RunState, index: int) -> list[int]:
    """The steps that have to run again because this one does."""
    graph, step = state.graph, state.steps[index].step
    # Neither a fallback nor what it covers means anything without the other's result.
    found = [*graph.dependents[index], *graph.followers[index], *graph.fallback_of.get(index, ())]
    if step.fallback_step in graph.index:
        found.append(graph.index[step.fallback_step])
    return found


def expansions(state: RunState, reused: Iterable[str]) -> dict[str, tuple[Step, ...]]:
    """What steps were expanded to, by id, of whose children some are `reused`."""
    children = (state[step_id] for step_id in reused)
    parents = dict.fromkeys(step.parent for step in children if step.parent is not None)
    return {
        state.steps[index].step.id: tuple(
            state.steps[child].step for child in state.steps[index].children
        )
        for index in parents
    }


def extensions(
    state: RunState, history: Iterable[Event], reused: Mapping[str, Any]
) -> tuple[Step, ...]:
    """The steps a run was given while it ran and that its successor begins with: all but
    those of steps that run again and will bring them again."""
    known = {step.id for step in state.plan.steps}
    kept: list[Step] = []
    for event in history:
        if event.type != RUN_EXTENDED:
            continue
        source = str(event.data["source"])
        origin = source.removeprefix("step ")
        if origin != source and origin in state.graph.index and origin not in reused:
            continue
        steps = msgspec.convert(event.data["steps"], tuple[Step, ...])
        known.update(step.id for step in steps)
        kept += [replace(step, depends_on=_whole(state, step.depends_on)) for step in steps]
    return tuple(step for step in kept if known.issuperset(step.depends_on))


def _whole(state: RunState, names: Iterable[str]) -> tuple[str, ...]:
    """The names, with an expanded step in place of its children: those are not taken over."""
    steps = (state[name] for name in names)
    return tuple(
        dict.fromkeys(
            step.step.id if step.parent is None else state.steps[step.parent].step.id
            for step in steps
        )
    )
