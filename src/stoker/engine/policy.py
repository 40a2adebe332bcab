"""Again, and when? And how the run ends, once nothing is left to do. Pure."""

from __future__ import annotations

from stoker.engine.state import RunState, StepState
from stoker.plan.model import Retry


def may_retry(exit_code: int | None, retry: Retry, retries: int, failures: int) -> bool:
    """Whether another attempt follows the `failures`-th failed one, which ended so."""
    if failures > retries:
        return False
    codes = retry.on_exit_codes
    return codes is None or exit_code in codes


def delay(retry: Retry, failures: int, draw: float) -> float:
    """Seconds to wait before the attempt after the `failures`-th failure.

    Exponential: delay * backoff^(failures-1), capped, then moved by up to `jitter` of
    itself in either direction; `draw` is uniform in [0, 1).
    """
    try:
        grown = retry.delay_sec * retry.backoff ** (failures - 1)
    except OverflowError:  # long past the cap, if there is anything to grow
        grown = retry.max_delay_sec if retry.delay_sec else 0.0
    base = min(grown, retry.max_delay_sec)
    return max(0.0, base * (1 + retry.jitter * (2 * draw - 1)))


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
