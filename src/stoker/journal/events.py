"""What can happen to a run, as the journal stores it and every listener reads it.

An event is `(run_id, sequence, type, time, step, attempt, data)`. Sequences of a
run start at 1 and have no gaps. `time` is in seconds since the Unix epoch and is
for people: no decision is ever taken from it but how long a person had to answer.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct, field

RunStatus = Literal[
    "pending", "running", "paused", "succeeded", "failed", "canceled", "quarantined"
]
StepStatus = Literal[
    "pending",
    "waiting",
    "running",
    "succeeded",
    "failed",
    "skipped",
    "canceled",
    "quarantined",
]
AttemptStatus = Literal[
    "pending", "starting", "running", "succeeded", "failed", "timed_out", "canceled", "lost"
]

# Names of event types. Each constant's comment gives the keys of `data`.
RUN_CREATED: Final = "run.created"  # plan_id, version, inputs, options, parent
RUN_STARTED: Final = "run.started"  # engine, epoch, resumed
RUN_PAUSED: Final = "run.paused"
RUN_UNPAUSED: Final = "run.unpaused"
RUN_EXTENDED: Final = "run.extended"  # steps: [step], source
RUN_ADVANCED: Final = "run.advanced"  # steps: [id], the batch released by `next`
RUN_CANCELING: Final = "run.canceling"  # reason
RUN_SETTLED: Final = "run.settled"  # status, reason
RUN_REOPENED: Final = "run.reopened"  # by; a run that was over gets new steps
STEP_WAITING: Final = "step.waiting"  # for: resources|approval|backoff|circuit|fallback, detail
STEP_SETTLED: Final = "step.settled"  # status, reason, outputs, satisfied
STEP_REOPENED: Final = "step.reopened"  # reason; a person asked for a rerun
STEP_EXPANDED: Final = "step.expanded"  # steps: [step], children of a foreach
ATTEMPT_STARTING: Final = "attempt.starting"  # kind, stdout_path, stderr_path, timeout_sec, ...
ATTEMPT_RUNNING: Final = "attempt.running"  # pid
ATTEMPT_SETTLED: Final = "attempt.settled"  # status, exit_code, error, outputs
APPROVAL_REQUESTED: Final = "approval.requested"  # prompt, timeout_sec, default
APPROVAL_DECIDED: Final = "approval.decided"  # decision, comment, by
CIRCUIT_CHANGED: Final = "circuit.changed"  # tool, state
COMMAND_REFUSED: Final = "command.refused"  # command, error


class Event(Struct, frozen=True, omit_defaults=False):
    """One entry of a run's journal."""

    run_id: str
    sequence: int
    type: str
    time: float
    step: str | None = None
    attempt: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
