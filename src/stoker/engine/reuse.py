"""What a new run of a plan may take over from an earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from stoker.engine.state import RunState
from stoker.journal.events import RUN_EXTENDED, Event
from stoker.plan.model import Step


def reusable(state: RunState, again: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Outputs by id of the steps that succeeded and need not run when the steps `again` do.

    A step depends on those again that have to run again, also by order alone, and through
    fallbacks. A step that was expanded counts as a whole.
    """
    graph = state.graph
    repeated: set[int] = set()
    pending = [graph.index[step_id] for step_id in again]
    while pending:
        index = pending.pop()
        if index in repeated:
            continue
        repeated.add(index)
        step = state.steps[index]
        pending += graph.dependents[index]
        pending += graph.followers[index]
        # Neither a fallback nor what it covers means anything without the other's result.
        pending += graph.fallback_of.get(index, ())
        if step.step.fallback_step in graph.index:
            pending.append(graph.index[step.step.fallback_step])
        if step.parent is not None:
            pending.append(step.parent)
        pending += step.children
    return {
        step.step.id: step.outputs
        for index, step in enumerate(state.steps)
        if step.status == "succeeded" and step.parent is None and index not in repeated
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
