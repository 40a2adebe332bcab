"""The decisions of one run: facts in, events and effects out.

Pure but for the objects it is given: no clock (every call says what time it is), no
processes, no database. The run (`stoker.engine.run`) feeds it facts, makes the events
durable, and only then carries out the effects; so the journal is always ahead of the world.

A step's way: its dependencies settle -> `_ready` (conditions) -> files, approval ->
expansion, if it is a foreach -> locks, circuit -> a queue -> `admit` -> an attempt ->
settled, or again. Up to the approval this file decides; from the locks on `Decisions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from stoker.engine import foreach, policy, scope
from stoker.engine.admission import Admission
from stoker.engine.capacity import Capacity
from stoker.engine.decisions import Decisions
from stoker.engine.effects import Answered, Effect, Gate, ReleaseLocks, TimerKind
from stoker.engine.kinds import Result
from stoker.engine.lifecycle import RUN_OVER, STEP_OVER
from stoker.engine.profile import Profile
from stoker.engine.recorder import Recorder
from stoker.engine.state import RunState, StepState, asks
from stoker.journal import events as ev
from stoker.journal.events import Event
from stoker.plan.expand import ExpansionError
from stoker.plan.expression import EvaluationError, compile_expression, evaluate_condition
from stoker.plan.model import Approval, Step
from stoker.plan.references import expressions
from stoker.plan.template import compile_template, render_value


class Receipt(msgspec.Struct, frozen=True):
    """One step released by a manual advance."""

    step_id: str
    execution_id: str
    """`run/step/attempt` of the attempt to come."""
    name: str


def receipt(state: RunState, step_id: str) -> Receipt:
    """For a step that is released; one that is newer than `state` has not been tried yet."""
    index = state.graph.index.get(step_id)
    if index is None:
        return Receipt(step_id, f"{state.run_id}/{step_id}/1", step_id)
    step = state.steps[index]
    number = step.number + 1
    return Receipt(step_id, f"{state.run_id}/{step_id}/{number}", step.step.name or step_id)


class RunMachine(Decisions):
    """Decides for one run.

    `profile(step)` gives the settings of a step that depend on the plan's globals and on
    its kind; `describe` what the journal keeps of a new attempt; `inputs` and `env` are
    what conditions look at; `redact` takes secrets out of texts for events; `wake` is called when
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
        redact: Callable[[str], str] | None = None,
        manual: bool = False,
        durations: Mapping[str, float] | None = None,
        random: Random | None = None,
    ) -> None:
        super().__init__(
            state,
            Recorder(state, redact),
            Admission(capacity, wake, width),
            profile=profile,
            describe=describe,
            random=random or Random(),  # noqa: S311 - jitter is not a secret
        )
        self._inputs = inputs
        self._env = env
        self.dormant: dict[int, str] = {}
        """Active steps that wait for a person, themselves or in their nested run, and how."""
        self._others: dict[int, int] = {}
        """Active steps that wait for another step to be over."""
        self._manual = manual
        self._durations = durations or {}
        self._blockers: list[int] = []
        """By step: how many of those it waits for are not resolved."""
        self._resolved: list[int] = []
        """Steps whose `satisfied` became known and whose dependents have not heard of it."""
        self._children_left: dict[int, int] = {}
        self._called: set[int] = set()
        """Fallbacks that are on their way, called by the first step that needed them."""
        state.on_resolved = self._resolved.append

    # What the run asks and tells.

    @property
    def over(self) -> bool:
        return self.state.status in RUN_OVER or self.state.status == "quarantined"

    @property
    def parked(self) -> bool:
        """Nothing will happen until a person acts."""
        waiting = len(self.dormant) + sum(
            self.state.steps[other].status not in STEP_OVER for other in self._others.values()
        )
        if self.over or len(self.active) > waiting or self._asked:
            return False
        if self._record.expects_timer:
            return False
        # What is queued behind those who wait for a person has no place before they have theirs.
        return self.state.status == "paused" or bool(self.dormant) or not self._admission

    @property
    def active(self) -> set[int]:
        """Steps with an attempt under way."""
        return self._admission.active

    def take(self) -> tuple[list[Event], list[Effect]]:
        """What was decided since the last call."""
        return self._record.take()

    def close(self) -> None:
        """Decide nothing more here: other runs get the capacity that is still held."""
        self._admission.close()

    def begin(
        self, now: float, *, engine: str, more: Sequence[Step] = (), by: str = "engine"
    ) -> None:
        """Start, or go on after the state was replayed from the journal. `more`: validated
        steps that expose nothing, to add; a run that is over is reopened for them by `by`."""
        self._record.now = now
        if more and self.state.status in RUN_OVER:
            self._record.emit(ev.RUN_REOPENED, data={"by": by})
        resumed = self.state.started_at is not None
        paused = self.state.status == "paused"
        self._record.emit(ev.RUN_STARTED, data={"engine": engine, "resumed": resumed})
        if paused:  # a pause is a person's, and only a person ends it
            self._record.emit(ev.RUN_PAUSED, data={"reason": "paused before"})
        limit = self.state.plan.globals.max_run_duration_sec
        if limit is not None and self.state.opened_at is not None:
            self._record.set_timer("run_limit", -1, self._left(limit, self.state.opened_at))
        self._count_blockers()
        if self._ending:
            self._sweep()
        self._resolved.clear()
        # What is adopted has its locks still: it queues for them before all others.
        running = [i for i, step in enumerate(self.state.steps) if step.status == "running"]
        for index in running:
            self._interrupted(index, self.state.steps[index])
        seen = set(running)
        for index, step in enumerate(tuple(self.state.steps)):
            if index in seen:
                continue
            if step.status == "waiting" and not step.expanded:
                self._ready(index, step)
            elif step.status in ("pending", "waiting") and not self._blockers[index]:
                self._unblocked(index, step)
        self._propagate()
        if more:
            self.extend(more, by, now)

    def attempt_running(self, index: int, pid: int, now: float) -> None:
        self._record.now = now
        if index in self.active:
            step = self.state.steps[index]
            self._record.emit(ev.ATTEMPT_RUNNING, step.step.id, step.number, {"pid": pid})

    def attempt_ended(self, index: int, result: Result, now: float, *, lost: bool = False) -> None:
        """The attempt under way has ended, by itself or because it was stopped."""
        self._record.now = now
        self.dormant.pop(index, None)
        self._others.pop(index, None)
        self._ended(index, result, lost=lost)
        self._propagate()

    def gate(self, index: int, gate: Gate, answer: str | float | None, now: float) -> None:
        """A gate's answer. None: open. A text: closed for good, and why. A number: closed; ask
        again after so many seconds. Locks answer when held."""
        self._record.now = now
        self._asked.discard(index)
        step = self.state.steps[index]
        if index in self.active or self._record.expects("backoff", index):
            return  # an attempt that was adopted, and may have ended since, has its locks again
        if step.status in STEP_OVER:
            if gate == "locks":
                self._record.act(ReleaseLocks(index))
            return
        if gate == "files":
            self._approve(index, step)
        elif isinstance(answer, str):
            self._fail(index, answer)
        elif answer is not None:
            self._record.wait(index, "circuit")
            self._record.set_timer("circuit", index, answer)
        elif gate == "locks":
            self._ask_circuit(index)
        else:
            self._enqueue(index)
        self._propagate()

    def held_by_circuits(self) -> dict[str, list[int]]:
        """By tool: the steps that wait until its circuit lets them through."""
        held: dict[str, list[int]] = {}
        for index in self._record.timed("circuit"):
            held.setdefault(self.profile_of(index).tool, []).append(index)
        return held

    def circuit_closed(self, index: int, now: float) -> None:
        """The circuit that a step waits for may let it through."""
        self._record.now = now
        if self._record.expects("circuit", index):
            self._record.clear_timers(index, "circuit")
            self._ask(index, "circuit")

    def up_to_date(self, index: int, outputs: Mapping[str, Any], now: float) -> None:
        """The answer of the gate `files` where there is nothing to do: what the step put out
        when it last ran still holds."""
        self._record.now = now
        self._asked.discard(index)
        if self.state.steps[index].status not in STEP_OVER:
            self._settle(index, "skipped", "up to date", satisfied=True, outputs=outputs)
        self._propagate()

    def timer(self, kind: TimerKind, index: int, now: float) -> None:
        self._record.now = now
        if not self._record.timer_fired(kind, index):
            return
        if kind == "run_limit":
            limit = self.state.plan.globals.max_run_duration_sec
            self._abort(f"the run took longer than max_run_duration_sec ({limit} s)")
        elif kind == "timeout":
            profile = self.profile_of(index)
            self._stop(index, "timeout", f"timed out after {profile.timeout_sec:g} s")
        elif kind == "step_limit":
            self._hit_step_limit(index)
        elif kind == "backoff":
            if index not in self._asked:  # else its locks, to go on with, are still to come
                self._ask_circuit(index)
        elif kind == "circuit":
            self._ask(index, "circuit")
        elif kind == "approval":
            approval = self._approval(index)
            assert approval is not None  # noqa: S101 - only an approval sets this timer
            self._decide(index, approval.default, "nobody answered in time", "timeout")
        self._propagate()

    def cancel(self, reason: str, now: float) -> None:
        self._record.now = now
        if self.state.canceling is None:
            self._record.emit(ev.RUN_CANCELING, data={"reason": reason})
            self._sweep()
            self._propagate()

    def pause(self, now: float, reason: str | None = None) -> None:
        self._record.now = now
        if self.state.status == "running":
            self._record.emit(ev.RUN_PAUSED, data={"reason": reason})

    def unpause(self, now: float) -> None:
        self._record.now = now
        if self.state.status == "paused":
            self._record.emit(ev.RUN_UNPAUSED)

    def advance(self, now: float) -> list[Receipt]:
        """Release what is ready in a manual run; the receipts say what will start."""
        self._record.now = now
        batch, self._held = self._held, []
        if not batch:
            return []
        ids = [self.state.steps[index].step.id for index in batch]
        self._record.emit(ev.RUN_ADVANCED, data={"steps": ids})
        for index in batch:
            self._ready(index, self.state.steps[index])
        self._propagate()
        return [receipt(self.state, step_id) for step_id in ids]

    def decide(self, index: int, decision: str, comment: str, by: str, now: float) -> str | None:
        """A person's answer to an approval; returns why it is refused, or None."""
        self._record.now = now
        step = self.state.steps[index]
        if asks(step):
            self._answer(index, decision, comment, by)
            return None
        if step.approval is None or step.approved or step.status != "waiting":
            return f"step {step.step.id!r} is not waiting for approval (it is {step.status})"
        self._record.clear_timers(index, "approval")
        self._decide(index, decision, comment, by)
        self._propagate()
        return None

    def ask(self, index: int, key: str, prompt: str, now: float) -> None:
        """A question of the attempt under way to a person; one it asked before a crash is the
        same."""
        self._record.now = now
        step = self.state.steps[index]
        if step.question is None or step.question.key != key:
            data = {"key": key, "prompt": prompt}
            self._record.emit(ev.APPROVAL_REQUESTED, step.step.id, step.number, data)
        elif step.question.answer is not None:
            self._record.act(Answered(index))
            return
        self._record.clear_timers(index, "timeout")
        self.dormant[index] = "for approval"

    def withdraw(self, index: int, key: str, now: float) -> None:
        """The attempt does not want to know any more."""
        self._record.now = now
        step = self.state.steps[index]
        if asks(step) and step.question is not None and step.question.key == key:
            self._answer(index, "withdraw", "", f"step {step.step.id}")

    def _answer(self, index: int, decision: str, comment: str, by: str) -> None:
        step = self.state.steps[index]
        data = {"decision": decision, "comment": comment, "by": by}
        self._record.emit(ev.APPROVAL_DECIDED, step.step.id, step.number, data)
        self._time(index, step, self.profile_of(index))
        self._record.act(Answered(index))
        self.dormant.pop(index, None)

    def wait_for(self, index: int, other: int | None) -> None:
        """The attempt under way has nothing to do until another step is over; None: it has."""
        if other is None:
            self._others.pop(index, None)
            self._admission.take_again(index)
        elif index in self.active:
            self._others[index] = other
            self._admission.lend(index, rest=True)

    def lend(self, index: int, *, lent: bool) -> None:
        """The steps of its nested run have the slot of the attempt under way; or not any more."""
        if lent:
            self._admission.lend(index)
        else:
            self._admission.take_again(index)

    def resolve(self, index: int, outcome: str, comment: str, by: str, now: float) -> str | None:
        """A person settles a quarantined step: `rerun`, `succeeded` or `failed`."""
        self._record.now = now
        step = self.state.steps[index]
        if step.status != "quarantined":
            return f"step {step.step.id!r} is not quarantined (it is {step.status})"
        self._record.emit(ev.STEP_REOPENED, step.step.id, data={"reason": comment, "by": by})
        if outcome == "rerun":
            self._ask_locks(index)
        elif outcome == "succeeded":
            self._settle(index, "succeeded", f"settled by {by}: {comment}")
        else:
            self._fail(index, f"settled by {by}: {comment}")
        self._propagate()
        return None

    def exposed(self, steps: Sequence[Step]) -> str | None:
        """Why validated steps cannot be added, for a secret in them; None if they can."""
        return self._record.exposed(steps)

    def extend(self, steps: Sequence[Step], source: str, now: float) -> None:
        """Add validated steps that expose nothing."""
        self._record.now = now
        first = len(self.state.steps)
        self._record.emit(
            ev.RUN_EXTENDED, data={"steps": msgspec.to_builtins(list(steps)), "source": source}
        )
        self._added(first)
        self._propagate()

    def note(self, type_: str, data: dict[str, Any], now: float) -> None:
        """Put something into the stream that changes nothing."""
        self._record.now = now
        self._record.emit(type_, data=data)

    def admit(self, now: float) -> None:
        """Start as many queued steps as capacity allows, most urgent first."""
        self._record.now = now
        if self.state.status == "running":
            while (index := self._admission.pop()) is not None:
                self._start(index)
            for index in self._admission.starving():
                self._record.wait(index, "resources")
        if self.over:
            return
        done = not (self.state.unsettled or self.active)
        if done or (self.parked and any(s.status == "quarantined" for s in self.state.steps)):
            self._finish()

    def _finish(self) -> None:
        status, reason = policy.verdict(self.state)
        self._record.clear_timers(-1, "run_limit")
        data = {"status": status} if reason is None else {"status": status, "reason": reason}
        self._record.emit(ev.RUN_SETTLED, data=data)

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
        if self._ending:
            self._sweep()
            return
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
        if step.expanded:
            self._rejoin(index, step)
        elif self.state.graph.fallback_of.get(index):
            self._consider_fallback(index)
        elif self._manual and step.step.id not in self.state.released and step.parent is None:
            self._held.append(index)
        else:
            self._ready(index, step)

    def _consider_fallback(self, index: int) -> None:
        """Run a fallback once a step it covers has failed; skip it once none can."""
        step = self.state.steps[index]
        if step.status != "pending" or self._blockers[index] or index in self._called:
            return
        covered = [self.state.steps[origin] for origin in self.state.graph.fallback_of[index]]
        if any(origin.status == "failed" and origin.satisfied is None for origin in covered):
            self._called.add(index)
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
        if step.step.outputs_files and not foreach.is_foreach(step.step):
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
        for (field, *_), text in expressions(step):
            expression = compile_expression(text)
            if field == "foreach" or (foreach.is_foreach(step) and foreach.asks_each(expression)):
                continue
            wanted = field == "condition"
            if evaluate_condition(expression, names) != wanted:
                found = "false" if wanted else "true"
                self._settle(index, "skipped", f"{field} is {found}: {text}", satisfied=True)
                return False
        return True

    # Foreach.

    def _expand(self, index: int, step: Step) -> None:
        try:
            children = foreach.children(step, self._scope(index), self.state.graph.index)
        except (EvaluationError, ExpansionError) as error:
            self._fail(index, str(error))
            return
        if (refusal := self.exposed(children)) is not None:
            self._fail(index, refusal)
            return
        first = len(self.state.steps)
        data = {"steps": msgspec.to_builtins(children)}
        self._record.emit(ev.STEP_EXPANDED, step.id, data=data)
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
        error, outputs = foreach.join([self.state.steps[child] for child in step.children])
        if error is not None:
            self._fail(index, error, outputs=outputs)
        else:
            self._settle(index, "succeeded", outputs=outputs)

    # Approval.

    def _approve(self, index: int, step: StepState) -> None:
        try:
            approval = self._approval(index)
        except (EvaluationError, msgspec.ValidationError) as error:
            self._fail(index, f"approval: {error}")
            return
        if approval is None:
            self._granted(index, step)
            return
        self._record.emit(ev.APPROVAL_REQUESTED, step.step.id, data=msgspec.to_builtins(approval))
        self._approval_timer(index, step)

    def _approval(self, index: int) -> Approval | None:
        """What a person must grant, its templates filled in. Raises `EvaluationError`, and
        `msgspec.ValidationError` for a value of the wrong type."""
        profile = self.profile_of(index)
        approval = profile.approval
        if profile.gate is not None:
            raw = render_value(profile.raw, self._scope(index))
            return profile.gate(msgspec.convert(raw, profile.kind.definition, strict=False))
        if approval is None or "${{" not in approval.prompt:
            return approval
        prompt = compile_template(approval.prompt).render_text(self._scope(index))
        return msgspec.structs.replace(approval, prompt=prompt)

    def _approval_timer(self, index: int, step: StepState) -> None:
        approval = self._approval(index)
        if approval is not None and approval.timeout_sec is not None and step.approval is not None:
            left = self._left(approval.timeout_sec, step.approval)
            self._record.set_timer("approval", index, left)

    def _decide(self, index: int, decision: str, comment: str, by: str) -> None:
        step_id = self.state.steps[index].step.id
        self._record.emit(
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
        if foreach.is_foreach(step.step):
            self._expand(index, step.step)
        else:
            self._ask_locks(index)

    def _fail(self, index: int, reason: str, *, outputs: Mapping[str, Any] | None = None) -> None:
        super()._fail(index, reason, outputs=outputs)
        step = self.state.steps[index].step
        if step.on_failure == "fallback_step" and step.fallback_step:
            self._consider_fallback(self.state.graph.index[step.fallback_step])
