"""How a run ends, once nothing is left to do."""

from __future__ import annotations

from stoker.engine.state import RunState, StepState


def verdict(state: RunState) -> tuple[str, str | None]:
    """Status and reason: canceled and aborted runs say so; what a person must decide comes
    before what failed; a critical step that failed for good makes the run fail."""
    if state.canceling is not None:
        return "canceled", state.canceling
    if state.aborting is not None:
        return "failed", state.aborting
    undecided = [step.step.id for step in state.steps if step.status == "quarantined"]
    if undecided:
        return "quarantined", f"a person must decide about {', '.join(undecided)}"
    for step in state.steps:
        if _condemns(step):
            return "failed", f"step {step.step.id!r} failed: {step.reason}"
    return "succeeded", None


def _condemns(step: StepState) -> bool:
    """Whether this step makes the run fail: it is critical, it failed, and no fallback
    settled the failure."""
    if step.status != "failed" or not step.step.critical:
        return False
    return not (step.step.on_failure == "fallback_step" and step.satisfied)
