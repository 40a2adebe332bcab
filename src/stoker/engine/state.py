"""Where a run stands: a fold over its events, the same live and after a crash.

Nothing here decides anything. `RunState.apply` is the only writer, and it refuses what
the state machines of `stoker.engine.lifecycle` do not allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.engine import lifecycle
from stoker.engine.kinds import Answer
from stoker.journal import events as ev
from stoker.journal.events import Event
from stoker.plan.graph import Graph
from stoker.plan.model import Plan, Step


class Question(Struct, frozen=True):
    """What the attempt under way has asked a person."""

    key: str
    asked: float
    """When."""
    waited: float = 0.0
    """Seconds that the attempt has waited for answers; while there is none, until it asked."""
    answer: Answer | None = None


class StepState:
    """One step's standing. A plain class with slots: a run may have 100,000 of them."""

    __slots__ = (
        "approval",
        "approved",
        "attempt_status",
        "children",
        "exit_code",
        "expanded",
        "failures",
        "first_started",
        "last_started",
        "number",
        "outputs",
        "parent",
        "question",
        "reason",
        "satisfied",
        "status",
        "step",
    )

    def __init__(self, step: Step, parent: int | None = None) -> None:
        self.step = step
        self.parent = parent
        """Index of the foreach step this one was expanded from."""
        self.status: str = "pending"
        self.reason: str | None = None
        self.number = 0
        """Attempts begun so far."""
        self.failures = 0
        """Attempts that failed; interruptions do not count against the retries."""
        self.attempt_status: str = "pending"
        self.exit_code: int | None = None
        self.first_started: float | None = None
        self.last_started: float | None = None
        self.outputs: dict[str, Any] = {}
        self.satisfied: bool | None = None
        """Whether dependents may run; None while that is open, also after a failure whose
        fallback has not settled."""
        self.children: tuple[int, ...] = ()
        self.expanded = False
        self.approval: float | None = None
        """When approval was asked for."""
        self.approved = False
        self.question: Question | None = None
        """The last of the attempt under way."""


class RunState:
    """A run's plan, graph and steps as of `sequence`.

    `on_resolved(index)` is called whenever a step's `satisfied` becomes known.
    """

    def __init__(self, run_id: str, plan: Plan, history: Iterable[Event] = ()) -> None:
        self.run_id = run_id
        self.plan = plan
        self.plan_dir = ""
        """`run.plan_dir` of expressions; set by whoever drives the run."""
        self.graph = Graph.build(plan.steps)
        self.sequence = 0
        self.status: str = "pending"
        self.reason: str | None = None
        self.created_at: float | None = None
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.opened_at: float | None = None
        """When it was started, or reopened last: what the limit on its duration counts from."""
        self.canceling: str | None = None
        self.aborting: str | None = None
        self.released: set[str] = set()
        self.steps = [StepState(step) for step in plan.steps]
        self.unsettled = len(self.steps)
        self.on_resolved: Callable[[int], None] = lambda index: None
        self._handlers: dict[str, Callable[[Event], None]] = {
            ev.RUN_CREATED: self._created,
            ev.RUN_STARTED: self._started,
            ev.RUN_PAUSED: self._run_status("paused"),
            ev.RUN_UNPAUSED: self._run_status("running"),
            ev.RUN_EXTENDED: self._extended,
            ev.RUN_ADVANCED: self._advanced,
            ev.RUN_CANCELING: self._canceling,
            ev.RUN_SETTLED: self._run_settled,
            ev.RUN_REOPENED: self._run_reopened,
            ev.STEP_WAITING: self._waiting,
            ev.STEP_SETTLED: self._settled,
            ev.STEP_REOPENED: self._reopened,
            ev.STEP_EXPANDED: self._expanded,
            ev.ATTEMPT_STARTING: self._starting,
            ev.ATTEMPT_RUNNING: self._running,
            ev.ATTEMPT_SETTLED: self._attempt_settled,
            ev.APPROVAL_REQUESTED: self._approval_requested,
            ev.APPROVAL_DECIDED: self._approval_decided,
        }
        for event in history:
            self.apply(event)

    @property
    def whole(self) -> Plan:
        """The plan with the steps that came later."""
        return msgspec.structs.replace(self.plan, steps=tuple(step.step for step in self.steps))

    def apply(self, event: Event) -> None:
        """Move to the standing after `event`. Raises `IllegalTransition`."""
        handler = self._handlers.get(event.type)
        if handler is not None:
            handler(event)
        self.sequence = event.sequence

    def __getitem__(self, step_id: str) -> StepState:
        return self.steps[self.graph.index[step_id]]

    # Runs.

    def _run_status(self, status: str) -> Callable[[Event], None]:
        def apply(event: Event) -> None:
            self._advance_run(status)

        return apply

    def _advance_run(self, status: str) -> None:
        self.status = lifecycle.advance(lifecycle.RUN, f"run {self.run_id}", self.status, status)

    def _created(self, event: Event) -> None:
        self.created_at = event.time

    def _started(self, event: Event) -> None:
        self._advance_run("running")
        self.reason = None
        self.finished_at = None
        if self.started_at is None:
            self.started_at = self.opened_at = event.time

    def _canceling(self, event: Event) -> None:
        if event.data.get("abort"):
            self.aborting = str(event.data["reason"])
        else:
            self.canceling = str(event.data["reason"])

    def _run_settled(self, event: Event) -> None:
        self._advance_run(event.data["status"])
        self.reason = event.data.get("reason")
        self.finished_at = event.time

    def _run_reopened(self, event: Event) -> None:
        if self.status not in lifecycle.RUN_OVER:
            raise lifecycle.IllegalTransition(f"run {self.run_id}", self.status, "reopened")
        self.status = "running"
        self.reason = self.finished_at = self.canceling = self.aborting = None
        self.opened_at = event.time

    def _extended(self, event: Event) -> None:
        self._add(msgspec.convert(event.data["steps"], tuple[Step, ...]), None)

    def _advanced(self, event: Event) -> None:
        self.released.update(event.data["steps"])

    def _add(self, steps: tuple[Step, ...], parent: int | None) -> None:
        first = len(self.steps)
        self.graph.extend(steps)
        self.steps.extend(StepState(step, parent) for step in steps)
        self.unsettled += len(steps)
        if parent is not None:
            self.steps[parent].children = tuple(range(first, len(self.steps)))

    # Steps.

    def _step(self, event: Event, status: str) -> StepState:
        assert event.step is not None  # noqa: S101 - every step event has one
        state = self.steps[self.graph.index[event.step]]
        if status not in lifecycle.STEP[state.status]:
            raise lifecycle.IllegalTransition(f"step {event.step}", state.status, status)
        state.status = status
        return state

    def _waiting(self, event: Event) -> None:
        self._step(event, "waiting").reason = event.data.get("for")

    def _expanded(self, event: Event) -> None:
        state = self._step(event, "waiting")
        state.expanded = True
        state.reason = "children"
        steps = msgspec.convert(event.data["steps"], tuple[Step, ...])
        self._add(steps, self.graph.index[state.step.id])

    def _reopened(self, event: Event) -> None:
        state = self._step(event, "pending")
        state.reason = event.data.get("reason")
        self.unsettled += 1

    def _settled(self, event: Event) -> None:
        data = event.data
        status = data["status"]
        state = self._step(event, status)
        state.reason = data.get("reason")
        self.unsettled -= 1
        if status == "quarantined":
            return
        outputs = data.get("outputs")
        if outputs:
            state.outputs = outputs
        index = self.graph.index[state.step.id]
        if status == "succeeded":
            self._resolve(index, satisfied=True)
        elif status == "skipped":
            self._resolve(index, satisfied=bool(data.get("satisfied")))
        elif status == "failed":
            self._failed(index, state)
        else:
            self._resolve(index, satisfied=False)

    def _failed(self, index: int, state: StepState) -> None:
        policy = state.step.on_failure
        if policy == "continue":
            self._resolve(index, satisfied=True)
        elif policy == "fallback_step" and state.step.fallback_step is not None:
            fallback = self[state.step.fallback_step]
            if fallback.satisfied is not None:
                self._replace(index, fallback)
        else:
            self._resolve(index, satisfied=False)

    def _resolve(self, index: int, *, satisfied: bool) -> None:
        state = self.steps[index]
        state.satisfied = satisfied
        self.on_resolved(index)
        for covered in self.graph.fallback_of.get(index, ()):
            origin = self.steps[covered]
            if origin.status == "failed" and origin.satisfied is None:
                self._replace(covered, state)

    def _replace(self, index: int, fallback: StepState) -> None:
        """Settle a failure by the fallback, which has settled itself."""
        state = self.steps[index]
        # Whoever consumes what the step provides gets it from its stand-in.
        state.outputs = {**state.outputs, **fallback.outputs}
        self._resolve(index, satisfied=_stands_in(fallback))

    # Attempts.

    def _starting(self, event: Event) -> None:
        state = self._step(event, "running")
        self._advance_attempt(state, "starting")
        state.number = event.attempt or 1
        state.reason = None
        state.question = None
        state.last_started = event.time
        if state.first_started is None:
            state.first_started = event.time

    def _running(self, event: Event) -> None:
        self._advance_attempt(self._step(event, "running"), "running")

    def _attempt_settled(self, event: Event) -> None:
        state = self._step(event, "running")
        status = event.data["status"]
        self._advance_attempt(state, status)
        state.exit_code = event.data.get("exit_code")
        if status in ("failed", "timed_out"):
            state.failures += 1

    def _advance_attempt(self, state: StepState, status: str) -> None:
        if status not in lifecycle.ATTEMPT[state.attempt_status]:
            raise lifecycle.IllegalTransition(
                f"attempt {state.number} of {state.step.id}", state.attempt_status, status
            )
        state.attempt_status = status

    def _approval_requested(self, event: Event) -> None:
        state = self._step(event, "running" if event.attempt else "waiting")
        if event.attempt:
            before = waited(state, event.time)
            state.question = Question(event.data["key"], asked=event.time, waited=before)
        else:
            state.approval = event.time
            state.reason = "approval"

    def _approval_decided(self, event: Event) -> None:
        state = self._step(event, "running" if event.attempt else "waiting")
        data, approved = event.data, event.data["decision"] == "approve"
        if not event.attempt:
            state.approved = approved
        elif state.question is not None:
            answer = Answer(allowed=approved, comment=data["comment"], by=data["by"])
            before = waited(state, event.time)
            state.question = replace(state.question, answer=answer, waited=before)


def asks(step: StepState) -> bool:
    """Whether the attempt under way waits for a person's answer."""
    question = step.question
    return step.status == "running" and question is not None and question.answer is None


def waited(step: StepState, now: float) -> float:
    """Seconds for which the attempt under way has waited for a person's answers."""
    question = step.question
    if question is None:
        return 0.0
    return question.waited + (max(0.0, now - question.asked) if question.answer is None else 0.0)


def _stands_in(fallback: StepState) -> bool:
    """Whether a settled fallback lets the dependents of the step it covers run: it succeeded,
    or its own fallback did."""
    if fallback.status == "failed" and fallback.step.on_failure == "fallback_step":
        return bool(fallback.satisfied)
    return fallback.status == "succeeded"
