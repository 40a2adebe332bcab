"""The last lines of a run: how it stands, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stoker.cli.output import one_line, printable, seconds
from stoker.cli.styles import status_style

if TYPE_CHECKING:
    from stoker.cli.context import Context
    from stoker.cli.output import Stream
    from stoker.engine.run import Outcome
    from stoker.engine.state import RunState

_ORDER = (
    "succeeded",
    "skipped",
    "failed",
    "canceled",
    "quarantined",
    "running",
    "waiting",
    "pending",
)
_SHOWN = 20


def conclude(
    context: Context, outcome: Outcome, state: RunState, stream: Stream, nested: Sequence[str]
) -> None:
    """Print how the run stands: status, counts, duration, id, and the commands to go on with,
    among them those for `nested` runs."""
    run_id = state.run_id
    status = stream.style(outcome.status, *status_style(outcome.status), "bold")
    spent = ""
    if state.started_at is not None and state.finished_at is not None:
        spent = f" in {seconds(state.finished_at - state.started_at)}"
    stream.line(f"run {run_id} {status}{spent}: {counts(state)}")
    if outcome.status in ("failed", "canceled") and outcome.reason:
        stream.line(f"  {printable(outcome.reason)}")
    for line in _next(context, outcome, state, nested):
        stream.line(f"  {line}")


def counts(state: RunState) -> str:
    """`12 succeeded, 1 failed, 3 skipped`."""
    found = Counter(step.status for step in state.steps)
    named = [f"{found[status]} {status}" for status in _ORDER if found[status]]
    return ", ".join(named)


def ready(state: RunState) -> list[str]:
    """The steps of a manual run that the next batch would release."""
    graph, steps = state.graph, state.steps

    def is_open(index: int) -> bool:
        waits_for = (*graph.dependencies[index], *graph.order_only[index])
        return all(steps[other].satisfied is not None for other in waits_for)

    return [
        step.step.id
        for index, step in enumerate(steps)
        if step.status == "pending" and index not in graph.fallback_of and is_open(index)
    ]


def _next(context: Context, outcome: Outcome, state: RunState, nested: Sequence[str]) -> list[str]:
    run_id = state.run_id
    if outcome.status in ("failed", "canceled"):
        return [f"see: {context.hint('show', run_id)}"]
    if outcome.status == "suspended":
        return [f"go on: {context.hint('resume', run_id)}"]
    if outcome.status == "quarantined":
        return [
            f"{one_line(step.step.id)}: {one_line(step.reason or '')}; "
            f"decide: {context.hint('resolve', run_id, step.step.id, 'rerun')} "
            "(or succeeded, failed)"
            for step in state.steps
            if step.status == "quarantined"
        ][:_SHOWN]
    if outcome.status == "waiting":
        return _waiting(context, state, nested)[:_SHOWN]
    return []


def _waiting(context: Context, state: RunState, nested: Sequence[str]) -> list[str]:
    run_id = state.run_id
    lines = [
        f"{one_line(step.step.id)} waits for approval: "
        f"{context.hint('approve', run_id, step.step.id)}"
        for step in state.steps
        if step.status == "waiting" and step.approval is not None and not step.approved
    ]
    lines += nested
    if state.status == "paused":
        lines.append(f"paused: {context.hint('unpause', run_id)}")
    elif not lines:
        batch = ready(state)
        more = f" and {len(batch) - _SHOWN} more" if len(batch) > _SHOWN else ""
        lines.append(f"next batch: {', '.join(batch[:_SHOWN])}{more}")
        lines.append(f"release it: {context.hint('next', run_id)}")
    return lines
