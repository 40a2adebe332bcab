"""The last lines of a run: how it stands, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stoker.cli.output import printable, seconds
from stoker.cli.styles import status_style

if TYPE_CHECKING:
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


def conclude(outcome: Outcome, state: RunState, stream: Stream, hints: Sequence[str]) -> None:
    """Print how the run stands: status, counts, duration, id, and what can be done now."""
    run_id = state.run_id
    status = stream.style(outcome.status, *status_style(outcome.status), "bold")
    spent = ""
    if state.started_at is not None and state.finished_at is not None:
        spent = f" in {seconds(state.finished_at - state.started_at)}"
    stream.line(f"run {run_id} {status}{spent}: {counts(state)}")
    if outcome.status in ("failed", "canceled") and outcome.reason:
        stream.line(f"  {printable(outcome.reason)}")
    for hint in hints:
        stream.line(f"  {hint}")


def counts(state: RunState) -> str:
    """`12 succeeded, 1 failed, 3 skipped`."""
    found = Counter(step.status for step in state.steps)
    named = [f"{found[status]} {status}" for status in _ORDER if found[status]]
    return ", ".join(named)
