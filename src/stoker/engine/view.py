"""A run as people and programs look at it, read from the journal alone.

`read_run` folds a run's events into a `Standing`, whether its engine lives, is dead or is
another process; `view` turns that into the document `stoker show --json` prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from stoker.engine.creation import nested_run_id, stored_plan
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.state import RunState, StepState, asks
from stoker.journal import rows
from stoker.journal.base import AttemptRow, Journal, RunRow, UnknownRun
from stoker.journal.events import (
    APPROVAL_REQUESTED,
    STEP_SETTLED,
    AttemptStatus,
    RunStatus,
    StepStatus,
)
from stoker.journal.identity import is_dead
from stoker.journal.projection import project

FORMAT: Final = 1
"""Version of the document. Fields may be added to it; one that changes its meaning or goes
away makes it the next version."""

Activity = Literal["over", "live", "remote", "parked", "interrupted"]

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""ISO 8601 in UTC with milliseconds: `2026-11-21T15:12:00.250Z`."""


class Document(Struct, frozen=True, kw_only=True):
    """Base of the document's parts."""


class AttemptView(Document, frozen=True, kw_only=True):
    """One attempt of a step."""

    number: Annotated[int, Meta(ge=1)]
    status: AttemptStatus
    kind: str
    """The kind of step that carried it out, for example `command`."""
    pid: int | None
    exit_code: int | None
    """As a shell reports it: 128 + N for signal N. Null if there was no process, or not yet."""
    started_at: Time
    finished_at: Time | None
    stdout_path: str | None
    stderr_path: str | None
    error: str | None
    """Why it did not succeed, for a person."""


class ApprovalView(Document, frozen=True, kw_only=True):
    """A person's answer a step waits for."""

    prompt: str
    requested_at: Time
    timeout_sec: float | None
    default: str
    """The answer when the timeout passes: `approve` or `reject`."""


class StepView(Document, frozen=True, kw_only=True):
    """One step, also one that was added or expanded while the run ran."""

    id: str
    name: str
    status: StepStatus
    reason: str | None
    """Why it failed, was skipped, canceled or quarantined; what a waiting step waits for:
    `resources`, `approval`, `backoff`, `circuit`, `locks`, `fallback`, `children`; of a running
    nested plan, which answer of a person its run waits for."""
    skip_reason: str | None
    """The reason, if the step was skipped."""
    settled_at: Time | None
    outputs: dict[str, Any]
    parent: str | None
    """Id of the `foreach` or `matrix` step it was expanded from."""
    approval: ApprovalView | None
    """Set while the step waits for a person."""
    attempts: list[AttemptView]


class EngineView(Document, frozen=True, kw_only=True):
    """The process that has the run."""

    pid: int
    alive: bool | None
    """Null: it runs on another host (or before a reboot) and cannot be looked at from here."""


class RunView(Document, frozen=True, kw_only=True):
    """One run (`stoker show RUN --json`)."""

    format: Literal[1] = FORMAT
    run_id: str
    plan_id: str
    plan_version: str
    status: RunStatus
    reason: str | None
    """Why the run did not succeed, or what it waits for."""
    activity: Activity
    """`over`: succeeded, failed or canceled; `live`: an engine of this host drives it;
    `remote`: an engine of another host holds it; `parked`: nobody drives it, because a
    person must act first (or because it was not begun); `interrupted`: its engine died or
    was stopped, and `stoker resume` goes on with it."""
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    last_sequence: int
    """Sequence of the last event this document knows of."""
    parent_run_id: str | None
    """The run that this nested plan belongs to."""
    parent_step_id: str | None
    engine: EngineView | None
    inputs: dict[str, Any]
    """Without the secret ones."""
    steps: list[StepView]


class Standing(Struct, frozen=True):
    """What the journal knows of one run at one moment."""

    row: RunRow
    state: RunState
    attempts: dict[str, list[AttemptRow]]
    """By step id, first attempt first."""
    settled: dict[str, float]
    """When a step settled, by id, in seconds since the epoch."""
    approvals: dict[str, dict[str, Any]]
    """Data of the last `approval.requested`, by step id."""
    nested: dict[str, Standing] = {}
    """The nested runs of steps that are running, by step id."""

    @property
    def asking(self) -> list[tuple[Standing, StepState]]:
        """The steps that wait for somebody to approve them, those of nested runs too, each
        with the run it is in."""
        if self.state.status in RUN_OVER:
            return []
        own = [(self, step) for step in self.state.steps if asks_a_person(step)]
        return own + [asking for run in self.nested.values() for asking in run.asking]


async def read_run(journal: Journal, run_id: str) -> Standing:
    """Fold a run's events. Raises `UnknownRun`."""
    row = await journal.run(run_id)
    plan = await stored_plan(journal, run_id)
    history = await journal.events(run_id)
    state = RunState(run_id, plan, history)
    settled: dict[str, float] = {}
    approvals: dict[str, dict[str, Any]] = {}
    for event in history:
        if event.step is not None and event.type == STEP_SETTLED:
            settled[event.step] = event.time
        elif event.step is not None and event.type == APPROVAL_REQUESTED:
            approvals[event.step] = event.data
    attempts: dict[str, list[AttemptRow]] = {}
    # Attempts come from the same events, not from their table: a run that goes on between
    # two reads would show a step and its attempts at different moments.
    for row_values in project(history).started.values():
        attempt = rows.attempt_row(row_values)
        attempts.setdefault(attempt.step_id, []).append(attempt)
    nested: dict[str, Standing] = {}
    for step in state.steps:
        if step.status == "running":
            with suppress(UnknownRun):  # most steps have none, or it has not begun yet
                inner = nested_run_id(run_id, step.step.id, step.number)
                nested[step.step.id] = await read_run(journal, inner)
    return Standing(row, state, attempts, settled, approvals, nested)


def activity(row: RunRow) -> Activity:
    """What is known of a run without reading its events: a run whose engine was stopped in
    order counts as `parked` here, and as `interrupted` in its `RunView`."""
    if row.status in RUN_OVER:
        return "over"
    if row.engine is None:
        return "parked"
    return _ENGINE_ACTIVITY[is_dead(row.engine)]


_ENGINE_ACTIVITY: Final[dict[bool | None, Activity]] = {
    True: "interrupted",
    False: "live",
    None: "remote",
}


def view(standing: Standing) -> RunView:
    """The document of a run."""
    row, state = standing.row, standing.state
    acts = activity(row)
    if acts == "parked" and not all(
        asks(step) or _parked(standing.nested.get(step.step.id))
        for step in state.steps
        if step.status == "running"
    ):
        acts = "interrupted"
    if state.status in RUN_OVER:
        acts = "over"
    return RunView(
        run_id=row.run_id,
        plan_id=row.plan_id,
        plan_version=row.plan_version,
        status=state.status,  # type: ignore[arg-type]
        reason=state.reason or waits_for(standing),
        activity=acts,
        created_at=iso(row.created_at),
        started_at=_iso(state.started_at),
        finished_at=_iso(state.finished_at),
        last_sequence=state.sequence,
        parent_run_id=row.parent_run_id,
        parent_step_id=row.parent_step_id,
        engine=EngineView(pid=row.engine.pid, alive=_alive(acts)) if row.engine else None,
        inputs=row.inputs,
        steps=[_step(standing, step) for step in state.steps],
    )


def waits_for(standing: Standing) -> str | None:
    """The people's answers an unfinished run waits for, for example `approval of deploy`, or
    `approval of deploy in run r.sub.1` where that is in a nested run."""
    asked = asked_of(standing)
    return f"approval of {_some(asked)}" if asked else None


def asked_of(standing: Standing) -> list[str]:
    """The steps that wait for somebody to approve them, as a person names them."""
    return [
        step.step.id if run is standing else f"{step.step.id} in run {run.row.run_id}"
        for run, step in standing.asking
    ]


def asks_a_person(step: StepState) -> bool:
    """Whether the step waits for somebody to approve it, or what its attempt is about to do."""
    waits = step.status == "waiting" and step.reason == "approval" and not step.approved
    return waits or asks(step)


def _parked(nested: Standing | None) -> bool:
    """Whether a nested run is what its step waits for, and itself waits for a person."""
    return nested is not None and view(nested).activity == "parked"


def iso(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def schema() -> dict[str, Any]:
    """The JSON Schema of `RunView`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(RunView),
    }


def _alive(acts: Activity) -> bool | None:
    return {"live": True, "remote": None}.get(acts, False)


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


def _some(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def _step(standing: Standing, step: StepState) -> StepView:
    step_id = step.step.id
    inner = standing.nested.get(step_id)
    answer = waits_for(inner) if inner is not None else None
    return StepView(
        id=step_id,
        name=step.step.name,
        status=step.status,  # type: ignore[arg-type]
        reason=f"run {inner.row.run_id} waits for {answer}" if inner and answer else step.reason,
        skip_reason=step.reason if step.status == "skipped" else None,
        settled_at=_iso(standing.settled.get(step_id)),
        outputs=step.outputs,
        parent=None if step.parent is None else standing.state.steps[step.parent].step.id,
        approval=_approval(standing, step) if asks_a_person(step) else None,
        attempts=[_attempt(row) for row in standing.attempts.get(step_id, ())],
    )


def _approval(standing: Standing, step: StepState) -> ApprovalView:
    asked = standing.approvals[step.step.id]
    since = step.approval if step.question is None else step.question.asked
    return ApprovalView(
        prompt=asked.get("prompt") or "",
        requested_at=iso(since or 0.0),
        timeout_sec=asked.get("timeout_sec"),
        default=asked.get("default") or "reject",
    )


def _attempt(row: AttemptRow) -> AttemptView:
    return AttemptView(
        number=row.attempt,
        status=row.status,
        kind=row.kind,
        pid=row.pid,
        exit_code=row.exit_code,
        started_at=iso(row.started_at),
        finished_at=_iso(row.finished_at),
        stdout_path=row.stdout_path,
        stderr_path=row.stderr_path,
        error=row.error,
    )
