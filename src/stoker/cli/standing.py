"""How a run stands, in one word and with the commands to go on with: the same everywhere."""

from __future__ import annotations

from stoker.cli.context import Context
from stoker.cli.output import one_line
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.state import StepState
from stoker.engine.view import RunView, Standing, view

_APPROVALS = 3


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
    found += [_approval(*asked, context) for asked in standing.asking[:_APPROVALS]]
    decide = [step.id for step in document.steps if step.status == "quarantined"]
    if decide:
        words = context.hint("resolve", run_id, decide[0], "rerun")
        found.append(f"say what became of it: {words} (or succeeded, failed)")
    for nested in standing.nested.values():
        inner = view(nested)
        if inner.activity == "parked" and not nested.asking:
            found += hints(nested, inner, context)
    if document.activity == "parked" and not found:
        go_on = "next" if standing.row.options.get("manual") else "resume"
        found.append(f"go on with it: {context.hint(go_on, run_id)}")
    return found


def _waits(standing: Standing) -> bool:
    """Whether it is a person's turn, not a resume's."""
    return bool(standing.asking or standing.nested or standing.row.options.get("manual"))


def _approval(standing: Standing, step: StepState, context: Context) -> str:
    step_id = step.step.id
    prompt = standing.approvals[step_id].get("prompt") or f"step {step_id} waits for approval"
    return f"{one_line(prompt)}: {context.hint('approve', standing.row.run_id, step_id)}"
