"""The decisions of one run: facts in, events and effects out.

Pure but for the objects it is given: no clock (every call says what time it is), no
processes, no database. The run (`stoker.engine.run`) feeds it facts, makes the events
durable, and only then carries out the effects; so the journal is always ahead of the world.

A step's way: its dependencies settle -> `_ready` (conditions, expansion) -> gates that
must be asked of the world (files, approval, locks, circuit) -> a queue -> `admit` -> an
attempt -> settled, or again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal

import msgspec

from stoker.engine import policy, scope
from stoker.engine.capacity import Capacity, DemandQueue
from stoker.engine.effects import (
    Ask,
    ClearTimers,
    Effect,
    Gate,
    RecordFiles,
    ReleaseLocks,
    ReportTool,
    SetTimer,
    Start,
    Stop,
    TimerKind,
)
from stoker.engine.kinds import Result
from stoker.engine.lifecycle import RUN_OVER, STEP_OVER
from stoker.engine.profile import Profile
from stoker.engine.state import RunState, StepState
from stoker.journal import events as ev
from stoker.journal.events import Event
from stoker.plan.expand import ExpansionError, axes, expand
from stoker.plan.expression import (
    EvaluationError,
    Expression,
    compile_expression,
    evaluate_condition,
)
from stoker.plan.model import Step
from stoker.plan.template import render_value


class Receipt(msgspec.Struct, frozen=True):
    """One step released by a manual advance."""

    step_id: str
    execution_id: str
    """`run/step/attempt` of the attempt to come."""
    name: str


StopCause = Literal["canceled", "timeout", "limit"]


class _Stopping(msgspec.Struct, frozen=True):
    """Why an attempt is being ended."""

    cause: StopCause
    reason: str


class RunMachine:
    """Decides for one run.

    `profile(step)` gives the settings of a step that depend on the plan's globals and on
    its kind; `describe` what the journal keeps of a new attempt; `inputs` and `env` are
    what conditions look at; `redact` cleans what goes into events; `wake` is called when
    capacity shared with other runs is free again.
    """

    def __init__(
        self,
        state: RunState,
        *,
        profile: Callable[[Step], Profile],
        describe: Callable[[StepState, Profile, int], dict[str, Any]],
        capacity: Capacity,
        wake: Callable[[], None],
        inputs: Mapping[str, Any],
        env: Mapping[str, str],
        width: int | None,
        redact: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        manual: bool = False,
        durations: Mapping[str, float] | None = None,
        random: Random | None = None,
    ) -> None:
        self.state = state
        self.events: list[Event] = []
        self.effects: list[Effect] = []
        self.active: set[int] = set()
        """Steps with an attempt under way."""
        self._profile = profile
        self._describe = describe
        self._redact = redact
        self._profiles: dict[int, Profile] = {}
        self._capacity = capacity
        self._wake = wake
        self._inputs = inputs
        self._env = env
        self._width = width
        self._manual = manual
        self._durations = durations or {}
        self._random = random or Random()  # noqa: S311 - jitter is not a secret
        self._now = 0.0
        self._priorities: list[float] = []
        self._blockers: list[int] = []
        self._queue: list[tuple[float, int]] = []
        self._demands = DemandQueue()
        self._weightless: list[int] = []
        """Queued steps that take no slot: they only wait for others."""
        self._slotless: set[int] = set()
        self._holding: dict[int, tuple[tuple[str, float], ...]] = {}
        self._held: list[int] = []
        """Ready steps of a manual run that nobody has released."""
        self._timers: set[tuple[TimerKind, int]] = set()
        self._asked: set[int] = set()
        self._stopping: dict[int, _Stopping] = {}
        self._resolved: list[int] = []
        self._children_left: dict[int, int] = {}
        state.on_resolved = self._resolved.append

    # What the run asks and tells.

    @property
    def over(self) -> bool:
        return self.state.status in RUN_OVER or self.state.status == "quarantined"

    @property
    def parked(self) -> bool:
        """Nothing will happen until a person acts."""
        if self.over or self.active or self._asked:
            return False
        if any(kind not in ("run_limit", "step_limit") for kind, _ in self._timers):
            return False
        queued = self._queue or self._demands or self._weightless
        return self.state.status == "paused" or not queued

    @property
    def _ending(self) -> bool:
        """No new attempt may start: the run was canceled or aborted."""
        return self.state.aborting is not None or self.state.canceling is not None

    def take(self) -> tuple[list[Event], list[Effect]]:
        """What was decided since the last call."""
        events, effects = self.events, self.effects
        self.events, self.effects = [], []
        return events, effects

    def begin(self, now: float, *, engine: str, resumed: bool) -> None:
        """Start, or go on after the state was replayed from the journal."""
        self._now = now
        self._emit(ev.RUN_STARTED, data={"engine": engine, "resumed": resumed})
        limit = self.state.plan.globals.max_run_duration_sec
        if limit is not None and self.state.started_at is not None:
            self._timer("run_limit", -1, max(0.0, limit - (now - self.state.started_at)))
        self._count_blockers()
        if self._ending:
            self._sweep()
        self._resolved.clear()
        for index, step in enumerate(tuple(self.state.steps)):
            if step.status == "running":
                self._interrupted(index, step)
            elif step.status == "waiting" and not step.expanded:
                self._ready(index, step)
            elif step.status in ("pending", "waiting") and not self._blockers[index]:
                self._unblocked(index, step)
        self._propagate()

    def attempt_running(self, index: int, pid: int, now: float) -> None:
        self._now = now
        if index in self.active:
            step = self.state.steps[index]
            self._emit(ev.ATTEMPT_RUNNING, step.step.id, step.number, {"pid": pid})

    def attempt_ended(self, index: int, result: Result, now: float, *, lost: bool = False) -> None:
        """The attempt under way has ended, by itself or because it was stopped."""
        self._now = now
        self._give_back(index)
        step = self.state.steps[index]
        stop = self._stopping.pop(index, None)
        profile = self.profile_of(index)
        self._clear(index, ("timeout",))
        if lost and stop is None:
            self._lost(index, step, profile)
        elif stop is not None and stop.cause == "canceled":
            self._end_attempt(index, "canceled", result)
            self._settle(index, "canceled", stop.reason)
        elif stop is not None:
            self._end_attempt(index, "timed_out", result, error=stop.reason)
            failure = policy.Failure(None, stop.reason)
            self._failed(index, failure, profile, final=stop.cause == "limit")
        elif result.error is None:
            self._succeeded(index, result, profile)
        else:
            self._end_attempt(index, "failed", result, error=result.error)
            self._failed(index, policy.Failure(result.exit_code, result.error), profile)
        self._propagate()

    def gate(self, index: int, gate: Gate, answer: str | float | None, now: float) -> None:
        """A gate's answer. None: open. A text: closed for good, and why (for `files`: up to
        date). A number: closed; ask again after so many seconds. Locks answer when held."""
        self._now = now
        self._asked.discard(index)
        step = self.state.steps[index]
        if index in self.active:
            return  # an adopted attempt has its locks again
        if step.status in STEP_OVER:
            if gate == "locks":
                self.effects.append(ReleaseLocks(index))
            return
        if gate == "files":
            if answer is None:
                self._approve(index, step)
            else:
                self._settle(index, "skipped", str(answer), satisfied=True)
        elif isinstance(answer, str):
            self._fail(index, answer)
        elif answer is not None:
            self._wait(index, "circuit")
            self._timer("circuit", index, answer)
        elif gate == "locks":
            self._ask_circuit(index)
        else:
            self._enqueue(index)
        self._propagate()

    def timer(self, kind: TimerKind, index: int, now: float) -> None:
        self._now = now
        self._timers.discard((kind, index))
        if kind == "run_limit":
            limit = self.state.plan.globals.max_run_duration_sec
            self._abort(f"the run took longer than max_run_duration_sec ({limit} s)")
        elif kind == "timeout":
            profile = self.profile_of(index)
            self._stop(index, "timeout", f"timed out after {profile.timeout_sec:g} s")
        elif kind == "step_limit":
            self._step_limit(index)
        elif kind == "backoff":
            self._ask_circuit(index)
        elif kind == "circuit":
            self._ask(index, "circuit")
        elif kind == "approval":
            approval = self.profile_of(index).approval
            assert approval is not None  # noqa: S101 - only an approval sets this timer
            self._decide(index, approval.default, "nobody answered in time", "timeout")
        self._propagate()

    def cancel(self, reason: str, now: float) -> None:
        self._now = now
        if self.state.canceling is None:
            self._emit(ev.RUN_CANCELING, data={"reason": reason})
            self._sweep()
            self._propagate()

    def pause(self, now: float, reason: str | None = None) -> None:
        self._now = now
        if self.state.status == "running":
            self._emit(ev.RUN_PAUSED, data={"reason": reason})

    def unpause(self, now: float) -> None:
        self._now = now
        if self.state.status == "paused":
            self._emit(ev.RUN_UNPAUSED)

    def advance(self, now: float) -> list[Receipt]:
        """Release what is ready in a manual run; the receipts say what will start."""
        self._now = now
        batch, self._held = self._held, []
        if not batch:
            return []
        ids = [self.state.steps[index].step.id for index in batch]
        self._emit(ev.RUN_ADVANCED, data={"steps": ids})
        for index in batch:
            self._ready(index, self.state.steps[index])
        self._propagate()
        return [
            Receipt(
                step.step.id,
                f"{self.state.run_id}/{step.step.id}/{step.number + 1}",
                step.step.name or step.step.id,
            )
            for step in (self.state.steps[index] for index in batch)
        ]

    def decide(self, index: int, decision: str, comment: str, by: str, now: float) -> str | None:
        """A person's answer to an approval; returns why it is refused, or None."""
        self._now = now
        step = self.state.steps[index]
        if step.approval is None or step.approved or step.status != "waiting":
            return f"step {step.step.id!r} is not waiting for approval (it is {step.status})"
        self._clear(index, ("approval",))
        self._decide(index, decision, comment, by)
        self._propagate()
        return None

    def resolve(self, index: int, outcome: str, comment: str, by: str, now: float) -> str | None:
        """A person settles a quarantined step: `rerun`, `succeeded` or `failed`."""
        self._now = now
        step = self.state.steps[index]
        if step.status != "quarantined":
            return f"step {step.step.id!r} is not quarantined (it is {step.status})"
        self._emit(ev.STEP_REOPENED, step.step.id, data={"reason": comment, "by": by})
        if outcome == "rerun":
            self._ask_locks(index)
        elif outcome == "succeeded":
            self._settle(index, "succeeded", f"settled by {by}: {comment}")
        else:
            self._fail(index, f"settled by {by}: {comment}")
        self._propagate()
        return None

    def extend(self, steps: Sequence[Step], source: str, now: float) -> None:
        """Add validated steps."""
        self._now = now
        first = len(self.state.steps)
        self._emit(
            ev.RUN_EXTENDED, data={"steps": msgspec.to_builtins(list(steps)), "source": source}
        )
        self._added(first)
        self._propagate()

    def note(self, type_: str, data: dict[str, Any], now: float) -> None:
        """Put something into the stream that changes nothing."""
        self._now = now
        self._emit(type_, data=data)

    def admit(self, now: float) -> None:
        """Start as many queued steps as capacity allows, most urgent first."""
        self._now = now
        state = self.state
        if state.status == "running":
            for index in self._weightless:
                self._slotless.add(index)
                self._start(index)
            self._weightless.clear()
            while self._queue or self._demands:
                busy = len(self.active) - len(self._slotless)
                if self._width is not None and busy >= self._width:
                    break
                if not self._capacity.take_slot(self._wake):
                    break
                if not self._admit_one():
                    self._capacity.give_slot()
                    break
        if self.over:
            return
        if (not state.unsettled and not self.active) or (
            self.parked and any(step.status == "quarantined" for step in state.steps)
        ):
            self._finish()

    # Readiness.

    def _count_blockers(self) -> None:
        graph = self.state.graph
        self._priorities = graph.priorities(self._durations)
        self._blockers = [0] * len(self.state.steps)
        for index in range(len(self.state.steps)):
            self._blockers[index] = self._blockers_of(index)

    def _blockers_of(self, index: int) -> int:
        steps, graph = self.state.steps, self.state.graph
        waits_for = (*graph.dependencies[index], *graph.order_only[index])
        return sum(steps[dependency].satisfied is None for dependency in waits_for)

    def _added(self, first: int) -> None:
        """Take the steps from index `first` on into the count."""
        self._priorities = self.state.graph.priorities(self._durations)
        for index in range(first, len(self.state.steps)):
            self._blockers.append(self._blockers_of(index))
        for index in range(first, len(self.state.steps)):
            step = self.state.steps[index]
            broken = next(
                (
                    dependency
                    for dependency in self.state.graph.dependencies[index]
                    if self.state.steps[dependency].satisfied is False
                ),
                None,
            )
            if broken is not None:
                self._skip_because(index, self.state.steps[broken])
            elif not self._blockers[index]:
                self._unblocked(index, step)

    def _propagate(self) -> None:
        """Carry resolved steps on to their dependents until nothing changes."""
        steps, graph = self.state.steps, self.state.graph
        while self._resolved:
            index = self._resolved.pop()
            resolved = steps[index]
            for dependent in graph.dependents[index]:
                step = steps[dependent]
                if step.status in STEP_OVER or step.status == "quarantined":
                    continue
                if resolved.satisfied is False:
                    self._skip_because(dependent, resolved)
                else:
                    self._unblock(dependent, step)
            for dependent in graph.followers[index]:
                self._unblock(dependent, steps[dependent])
            if resolved.parent is not None:
                self._child_settled(resolved.parent)
            fallback = resolved.step.fallback_step
            if fallback is not None:
                self._consider_fallback(graph.index[fallback])

    def _skip_because(self, index: int, cause: StepState) -> None:
        if not self._ending:
            reason = f"{cause.step.id!r} {'was ' if cause.status != 'failed' else ''}{cause.status}"
            self._settle(index, "skipped", reason)

    def _unblock(self, index: int, step: StepState) -> None:
        self._blockers[index] -= 1
        if not self._blockers[index] and step.status == "pending":
            self._unblocked(index, step)

    def _unblocked(self, index: int, step: StepState) -> None:
        """A step nothing blocks: a fallback waits for its call, a manual step for its release."""
        if self.state.graph.fallback_of.get(index):
            self._consider_fallback(index)
        elif step.expanded:
            self._rejoin(index, step)
        elif self._manual and step.step.id not in self.state.released and step.parent is None:
            self._held.append(index)
        else:
            self._ready(index, step)

    def _consider_fallback(self, index: int) -> None:
        """Run a fallback once a step it covers has failed; skip it once none can."""
        step = self.state.steps[index]
        if step.status != "pending" or self._blockers[index]:
            return
        covered = [self.state.steps[origin] for origin in self.state.graph.fallback_of[index]]
        if any(origin.status == "failed" and origin.satisfied is None for origin in covered):
            self._ready(index, step)
        elif all(origin.status in STEP_OVER for origin in covered):
            self._settle(index, "skipped", "the fallback was not needed", satisfied=True)

    def _ready(self, index: int, step: StepState) -> None:
        if step.approval is not None and not step.approved:
            self._approval_timer(index, step)  # asked before a crash
            return
        if step.approved or step.failures or step.number:
            self._granted(index, step)
            return
        try:
            wanted = self._wanted(index, step.step)
        except EvaluationError as error:
            self._fail(index, str(error))
            return
        if not wanted:
            return
        if step.step.outputs_files and not _is_foreach(step.step):
            self._ask(index, "files")
        else:
            self._approve(index, step)

    def _scope(self, index: int) -> dict[str, Any]:
        return scope.scope(self.state, index, inputs=self._inputs, env=self._env)

    def _wanted(self, index: int, step: Step) -> bool:
        """Evaluate `condition` and `skip_if`; settles the step if it is to be skipped."""
        if step.condition is None and not step.skip_if:
            return True
        names = self._scope(index)
        tests = [("condition", step.condition, True)] if step.condition is not None else []
        tests += [("skip_if", text, False) for text in self.profile_of(index).skip_if]
        for field, text, wanted in tests:
            expression = compile_expression(text)
            if _is_foreach(step) and _asks_each(expression):
                continue
            if evaluate_condition(expression, names) != wanted:
                found = "false" if wanted else "true"
                self._settle(index, "skipped", f"{field} is {found}: {text}", satisfied=True)
                return False
        return True

    # Foreach.

    def _expand(self, index: int, step: Step) -> None:
        names = self._scope(index)
        if step.matrix is not None:
            items: Sequence[Any] = axes(render_value(step.matrix, names))
        elif isinstance(step.foreach, str):
            found = compile_expression(_bare(step.foreach)).evaluate(names)
            if not isinstance(found, list | tuple):
                raise EvaluationError(
                    f"foreach: {step.foreach} is not a list but {type(found).__name__}"
                )
            items = found
        else:
            items = render_value(step.foreach or (), names)
        children = [_child(step, child) for child in expand(step, items)]
        taken = [child.id for child in children if child.id in self.state.graph.index]
        if taken:
            raise ExpansionError(f"foreach of {step.id!r} makes {taken[0]!r}, which exists already")
        first = len(self.state.steps)
        self._emit(ev.STEP_EXPANDED, step.id, data={"steps": msgspec.to_builtins(children)})
        self._children_left[index] = len(children)
        self._added(first)
        if not children:
            self._join(index)

    def _rejoin(self, index: int, step: StepState) -> None:
        """After a crash: count the children that are still open."""
        left = sum(self.state.steps[child].satisfied is None for child in step.children)
        self._children_left[index] = left
        if not left:
            self._join(index)

    def _child_settled(self, parent: int) -> None:
        if parent in self._children_left:
            self._children_left[parent] -= 1
            if not self._children_left[parent]:
                self._join(parent)

    def _join(self, index: int) -> None:
        """All children of a foreach have settled: so does the step itself."""
        step = self.state.steps[index]
        del self._children_left[index]
        if step.status in STEP_OVER:
            return
        children = [self.state.steps[child] for child in step.children]
        failed = [child.step.id for child in children if child.status in ("failed", "canceled")]
        if failed:
            shown = ", ".join(failed[:3]) + (", ..." if len(failed) > 3 else "")
            self._fail(index, f"{len(failed)} of {len(children)} failed: {shown}")
            return
        names = dict.fromkeys(name for child in children for name in child.outputs)
        outputs = {name: [child.outputs.get(name) for child in children] for name in names}
        self._settle(index, "succeeded", outputs=outputs)

    # Gates.

    def _ask(self, index: int, gate: Gate) -> None:
        self._asked.add(index)
        self.effects.append(Ask(index, gate))

    def _approve(self, index: int, step: StepState) -> None:
        profile = self.profile_of(index)
        if profile.approval is None:
            self._granted(index, step)
            return
        approval = profile.approval
        self._emit(ev.APPROVAL_REQUESTED, step.step.id, data=msgspec.to_builtins(approval))
        self._approval_timer(index, step)

    def _approval_timer(self, index: int, step: StepState) -> None:
        approval = self.profile_of(index).approval
        if approval is not None and approval.timeout_sec is not None and step.approval is not None:
            left = approval.timeout_sec - (self._now - step.approval)
            self._timer("approval", index, max(0.0, left))

    def _decide(self, index: int, decision: str, comment: str, by: str) -> None:
        step_id = self.state.steps[index].step.id
        self._emit(
            ev.APPROVAL_DECIDED,
            step_id,
            data={"decision": decision, "comment": comment, "by": by},
        )
        if decision == "approve":
            self._granted(index, self.state.steps[index])
        else:
            self._fail(index, f"rejected by {by}" + (f": {comment}" if comment else ""))

    def _granted(self, index: int, step: StepState) -> None:
        """Nothing a person could say stands in the way any more."""
        if not _is_foreach(step.step):
            self._ask_locks(index)
            return
        try:
            self._expand(index, step.step)
        except (EvaluationError, ExpansionError) as error:
            self._fail(index, str(error))

    def _ask_locks(self, index: int) -> None:
        if self.state.steps[index].step.locks:
            self._wait(index, "locks")
            self._ask(index, "locks")
        else:
            self._ask_circuit(index)

    def _ask_circuit(self, index: int) -> None:
        if self.state.plan.globals.circuit_breaker is not None:
            self._ask(index, "circuit")
        else:
            self._enqueue(index)

    def _enqueue(self, index: int) -> None:
        profile = self.profile_of(index)
        if not profile.takes_slot:
            self._weightless.append(index)
        elif profile.demand:
            self._demands.push(profile.demand, index)
        else:
            heapq.heappush(self._queue, (-self._priorities[index], index))

    # Attempts.

    def _admit_one(self) -> bool:
        """Start one queued step; False if none can start now."""
        found = self._demands.pop(self._capacity) if self._demands else None
        if found is not None:
            index, demand = found
            self._capacity.take(demand)
            self._holding[index] = demand
        else:
            if self._demands:
                self._capacity.starve(self._wake)
            if not self._queue:
                return False
            index = heapq.heappop(self._queue)[1]
        self._start(index)
        return True

    def _start(self, index: int, *, resumed: bool = False) -> None:
        step = self.state.steps[index]
        profile = self.profile_of(index)
        number = step.number if resumed else step.number + 1
        self.active.add(index)
        if not resumed:
            first = step.first_started is None
            self._emit(
                ev.ATTEMPT_STARTING,
                step.step.id,
                number,
                self._describe(step, profile, number),
            )
            if first and profile.step_limit_sec is not None:
                self._timer("step_limit", index, profile.step_limit_sec)
        else:
            self._capacity.take(profile.demand)
            self._holding[index] = profile.demand
            if step.step.locks:
                self._ask(index, "locks")
            if profile.step_limit_sec is not None and step.first_started is not None:
                spent = self._now - step.first_started
                self._timer("step_limit", index, max(0.0, profile.step_limit_sec - spent))
        self.effects.append(Start(index, number, resumed))
        if profile.timeout_sec is not None:
            self._timer("timeout", index, profile.timeout_sec)

    def _give_back(self, index: int) -> None:
        self.active.discard(index)
        if index in self._slotless:
            self._slotless.discard(index)
        else:
            self._capacity.give_slot()
        demand = self._holding.pop(index, None)
        if demand:
            self._capacity.give(demand)

    def _end_attempt(
        self, index: int, status: str, result: Result, *, error: str | None = None
    ) -> None:
        step = self.state.steps[index]
        data: dict[str, Any] = {"status": status, "exit_code": result.exit_code}
        if error is not None:
            data["error"] = error
        self._emit(ev.ATTEMPT_SETTLED, step.step.id, step.number, data)
        if self.state.plan.globals.circuit_breaker is not None and status != "canceled":
            self.effects.append(
                ReportTool(index, self.profile_of(index).tool, status == "succeeded")
            )

    def _succeeded(self, index: int, result: Result, profile: Profile) -> None:
        step = self.state.steps[index].step
        missing = [name for name in step.provides if name not in result.outputs]
        if missing and profile.strict_outputs:
            error = f"did not provide {', '.join(missing)} (strict_outputs)"
            self._end_attempt(index, "failed", result, error=error)
            self._failed(index, policy.Failure(result.exit_code, error), profile)
            return
        self._end_attempt(index, "succeeded", result)
        if step.outputs_files:
            self.effects.append(RecordFiles(index))
        self._settle(index, "succeeded", outputs=result.outputs)

    def _failed(
        self, index: int, failure: policy.Failure, profile: Profile, *, final: bool = False
    ) -> None:
        step = self.state.steps[index]
        if (
            not final
            and not self._ending
            and policy.may_retry(failure, profile.retry, profile.retries, step.failures)
        ):
            pause = policy.delay(profile.retry, step.failures, self._random.random())
            self._wait(index, "backoff", {"delay_sec": pause, "failures": step.failures})
            self._timer("backoff", index, pause)
        else:
            self._fail(index, failure.error)

    def _fail(self, index: int, reason: str) -> None:
        """The step failed for good."""
        step = self.state.steps[index].step
        self._settle(index, "failed", reason)
        if step.on_failure == "abort":
            self._abort(f"step {step.id!r} failed: {reason}")

    def _lost(self, index: int, step: StepState, profile: Profile) -> None:
        """An attempt whose end nobody recorded."""
        error = "the engine stopped while this attempt ran"
        self._end_attempt(index, "lost", Result(), error=error)
        if profile.on_interrupt == "quarantine" or step.step.effects == "once":
            self._settle(index, "quarantined", f"{error}; a person must say what became of it")
        else:
            self._ask_locks(index)

    def _interrupted(self, index: int, step: StepState) -> None:
        """A step that was running when the engine died."""
        if step.attempt_status not in ("starting", "running"):
            self._ask_locks(index)  # a second crash, before the lost attempt was made good
            return
        profile = self.profile_of(index)
        if self._ending:
            self._end_attempt(index, "canceled", Result())
            self._settle(index, "canceled", self.state.canceling or self.state.aborting)
        elif profile.on_interrupt == "adopt":
            if profile.takes_slot:
                self._capacity.force_slot()
            else:
                self._slotless.add(index)
            self._start(index, resumed=True)
        else:
            self._lost(index, step, profile)

    def _stop(self, index: int, cause: StopCause, reason: str) -> None:
        if index in self.active and index not in self._stopping:
            self._stopping[index] = _Stopping(cause, reason)
            self.effects.append(Stop(index))

    def _step_limit(self, index: int) -> None:
        limit = self.state.plan.globals.max_step_duration_sec
        reason = f"all its attempts together took longer than max_step_duration_sec ({limit} s)"
        if index in self.active:
            self._stop(index, "limit", reason)
        elif self.state.steps[index].status not in STEP_OVER:
            self._dequeue(index)
            self._clear(index, ("backoff", "circuit"))
            self._fail(index, reason)

    # Ends.

    def _settle(
        self,
        index: int,
        status: str,
        reason: str | None = None,
        *,
        satisfied: bool | None = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        step = self.state.steps[index].step
        data: dict[str, Any] = {"status": status}
        if reason is not None:
            data["reason"] = reason
        if satisfied is not None:
            data["satisfied"] = satisfied
        if outputs:
            data["outputs"] = outputs
        if step.locks:
            self.effects.append(ReleaseLocks(index))
        self._clear(index, ("step_limit", "approval", "backoff", "circuit"))
        self._emit(ev.STEP_SETTLED, step.id, self.state.steps[index].number or None, data)
        self._profiles.pop(index, None)
        if status == "failed" and step.on_failure == "fallback_step" and step.fallback_step:
            self._consider_fallback(self.state.graph.index[step.fallback_step])

    def _abort(self, reason: str) -> None:
        if not self._ending:
            self._emit(ev.RUN_CANCELING, data={"reason": reason, "abort": True})
            self._sweep()

    def _sweep(self) -> None:
        """Stop what runs and settle what has not begun."""
        canceled = self.state.canceling is not None
        reason = self.state.canceling if canceled else self.state.aborting
        for index in list(self.active):
            self._stop(index, "canceled", reason or "")
        self._queue.clear()
        self._weightless.clear()
        self._demands = DemandQueue()
        self._held.clear()
        for index, step in enumerate(self.state.steps):
            if step.status in ("pending", "waiting") or (canceled and step.status == "quarantined"):
                if step.status == "quarantined":
                    self._emit(ev.STEP_REOPENED, step.step.id, data={"reason": reason})
                self._settle(index, "canceled" if canceled else "skipped", reason)

    def _finish(self) -> None:
        steps = self.state.steps
        status, reason = "succeeded", None
        if self.state.canceling is not None:
            status, reason = "canceled", self.state.canceling
        elif self.state.aborting is not None:
            status, reason = "failed", self.state.aborting
        else:
            failed = [index for index, step in enumerate(steps) if self._condemns(index, step)]
            waiting = [step.step.id for step in steps if step.status == "quarantined"]
            if waiting:
                status, reason = "quarantined", f"a person must decide about {', '.join(waiting)}"
            elif failed:
                status = "failed"
                first = steps[failed[0]]
                reason = f"step {first.step.id!r} failed: {first.reason}"
        self._clear(-1, ("run_limit",))
        data = {"status": status} if reason is None else {"status": status, "reason": reason}
        self._emit(ev.RUN_SETTLED, data=data)

    def _condemns(self, index: int, step: StepState) -> bool:
        """Whether this step makes the run fail: it is critical, it failed, and no fallback
        settled the failure."""
        if step.status != "failed" or not step.step.critical:
            return False
        return not (step.step.on_failure == "fallback_step" and step.satisfied)

    # Small things.

    def _emit(
        self,
        type_: str,
        step: str | None = None,
        attempt: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        state = self.state
        data = data or {}
        if self._redact is not None:
            data = self._redact(data)
        event = Event(state.run_id, state.sequence + 1, type_, self._now, step, attempt, data)
        state.apply(event)
        self.events.append(event)

    def _wait(self, index: int, reason: str, detail: dict[str, Any] | None = None) -> None:
        step_id = self.state.steps[index].step.id
        self._emit(ev.STEP_WAITING, step_id, data={"for": reason, **(detail or {})})

    def _timer(self, kind: TimerKind, index: int, delay_sec: float) -> None:
        self._timers.add((kind, index))
        self.effects.append(SetTimer(kind, index, delay_sec))

    def _clear(self, index: int, kinds: tuple[TimerKind, ...]) -> None:
        if self._timers:
            mine = tuple(kind for kind in kinds if (kind, index) in self._timers)
            if mine:
                self._timers.difference_update((kind, index) for kind in mine)
                self.effects.append(ClearTimers(index, mine))

    def _dequeue(self, index: int) -> None:
        self._queue = [entry for entry in self._queue if entry[1] != index]
        heapq.heapify(self._queue)
        if index in self._weightless:
            self._weightless.remove(index)
        self._demands.discard(index)

    def profile_of(self, index: int) -> Profile:
        """The settings of a step that is not settled."""
        profile = self._profiles.get(index)
        if profile is None:
            profile = self._profiles[index] = self._profile(self.state.steps[index].step)
        return profile


def _bare(expression: str) -> str:
    """`${{ x }}` and `x` mean the same where an expression is expected anyway."""
    text = expression.strip()
    if text.startswith("${{") and text.endswith("}}"):
        return text[3:-2]
    return text


def _is_foreach(step: Step) -> bool:
    return step.foreach is not None or step.matrix is not None


def _asks_each(expression: Expression) -> bool:
    """Whether an expression of a foreach step is about the single items: then it is the
    children's to answer, who have it with their item filled in."""
    return any(path[0] in ("item", "matrix", "index") for path in expression.references)


def _child(parent: Step, child: Step) -> Step:
    """A person is asked once, for all children; and a child's failure is the foreach step's
    to answer: only the join calls its fallback."""
    child = msgspec.structs.replace(child, approval=None)
    if parent.on_failure != "fallback_step":
        return child
    return msgspec.structs.replace(
        child, on_failure="skip_dependents", fallback_step=None, critical=False
    )
