"""How a run stands, in one word and with the commands to go on with: the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator

from stoker.cli.context import Context
from stoker.cli.output import one_line
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.state import RunState, StepState
from stoker.engine.view import RunView, Standing, view

_SHOWN = 20
"""Steps that are named."""


def word(standing: Standing, document: RunView) -> str:
    """The run's status; of one that nobody drives, as `stoker run` said when it ended:
    `waiting` (for a person), `suspended`, or `interrupted` where its engine died."""
    if document.activity not in ("parked", "interrupted"):
        return document.status
    if standing.row.engine is not None:
        return "interrupted"
    if document.status != "running":
        return document.status
    if document.activity == "parked" and _waits(standing):
        return "waiting"
    return "suspended"


def hints(standing: Standing, document: RunView, context: Context) -> list[str]:
    """What a person can do about a run that is not over, most urgent first."""
    run_id, state = document.run_id, standing.state
    if document.status in RUN_OVER:
        return []
    idle = document.activity in ("parked", "interrupted")
    died = idle and standing.row.engine is not None
    if idle and state.canceling is not None:
        return [f"being canceled; this finishes it: {context.hint('cancel', run_id)}"]
    if document.status == "paused":
        why = "its engine died while it was paused" if died else "paused"
        found = [f"{why}: {context.hint('unpause', run_id)}"]
    elif died:
        return [f"its engine died: {context.hint('resume', run_id)}"]
    elif document.activity == "interrupted":
        return [f"go on with it: {context.hint('resume', run_id)}"]
    else:
        found = []
    asking = [_approval(*asked, context) for asked in _asking(standing)]
    found += asking[:_SHOWN]
    decide = [step for step in document.steps if step.status == "quarantined"]
    for step in decide[:_SHOWN]:
        words = context.hint("resolve", run_id, step.id, "rerun")
        reason = one_line(step.reason or "")
        found.append(f"{one_line(step.id)}: {reason}; decide: {words} (or succeeded, failed)")
    for nested in standing.nested.values():
        inner = view(nested)
        if inner.activity == "parked" and not nested.asking:
            found += hints(nested, inner, context)
    if document.activity == "parked" and not found:
        if standing.row.options.get("manual"):
            found.append(f"release {_batch(state)}: {context.hint('next', run_id)}")
        else:
            found.append(f"go on with it: {context.hint('resume', run_id)}")
    return found


def _batch(state: RunState) -> str:
    """The steps of a manual run that the next batch releases."""
    graph, steps = state.graph, state.steps

    def is_open(index: int) -> bool:
        waits_for = (*graph.dependencies[index], *graph.order_only[index])
        return all(steps[other].satisfied is not None for other in waits_for)

    batch = [
        one_line(step.step.id)
        for index, step in enumerate(steps)
        if step.status == "pending" and index not in graph.fallback_of and is_open(index)
    ]
    more = f" and {len(batch) - _SHOWN} more" if len(batch) > _SHOWN else ""
    return ", ".join(batch[:_SHOWN]) + more


def _waits(standing: Standing) -> bool:
    """Whether it is a person's turn, not a resume's."""
    return bool(standing.asking or standing.nested or standing.row.options.get("manual"))


def _asking(standing: Standing) -> Iterator[tuple[Standing, str, str]]:
    """The run and the step to approve, and what is asked there. Of a nested run that asks one
    thing, the step that it is nested in stands for it."""
    for run, step in standing.asking:
        step_id = step.step.id
        prompt = run.approvals[step_id].get("prompt") or ""
        homes = (name for name, inner in standing.nested.items() if one_question(inner) is step)
        home = next(homes, None)
        yield (run, step_id, prompt) if home is None else (standing, home, prompt)


def one_question(standing: Standing) -> StepState | None:
    """The step of a nested run that waits for approval, if it is one."""
    return standing.asking[0][1] if len(standing.asking) == 1 else None


def _approval(standing: Standing, step_id: str, prompt: str, context: Context) -> str:
    words = context.hint("approve", standing.row.run_id, step_id)
    return f"{one_line(prompt) or f'{one_line(step_id)} waits for approval'}: {words}"
