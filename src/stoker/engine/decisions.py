"""From the last gate to the end of a step: starting, retrying, stopping, settling.

The lower half of the machine (`stoker.engine.machine`): what becomes of steps that nothing
in the graph holds back any more. Pure in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Literal

from msgspec import Struct

from stoker.engine import policy
from stoker.engine.admission import Admission
from stoker.engine.effects import Ask, Gate, RecordFiles, ReleaseLocks, ReportTool, Start, Stop
from stoker.engine.kinds import Result
from stoker.engine.lifecycle import STEP_OVER
from stoker.engine.profile import Profile
from stoker.engine.recorder import Recorder
from stoker.engine.state import RunState, StepState, waited
from stoker.journal import events as ev
from stoker.plan.model import Step

StopCause = Literal["canceled", "timeout", "limit"]


class _Stopping(Struct, frozen=True):
    """Why an attempt is being ended."""

    cause: StopCause
    reason: str


class Decisions:
    """Decides about single steps; see `RunMachine` for the parameters."""

    def __init__(
        self,
        state: RunState,
        recorder: Recorder,
        admission: Admission,
        *,
        profile: Callable[[Step], Profile],
        describe: Callable[[StepState, Profile, int], dict[str, Any]],
        random: Random,
    ) -> None:
        self.state = state
        self._record = recorder
        self._admission = admission
        self._profile = profile
        self._profiles: dict[int, Profile] = {}
        self._describe = describe
        self._random = random
        self._priorities: list[float] = []
        self._asked: set[int] = set()
        """Steps whose gate's answer is awaited."""
        self._held: list[int] = []
        """Ready steps of a manual run that nobody has released."""
        self._stopping: dict[int, _Stopping] = {}

    @property
    def _ending(self) -> bool:
        """No new attempt may start: the run was canceled or aborted."""
        return self.state.aborting is not None or self.state.canceling is not None

    def profile_of(self, index: int) -> Profile:
        """The settings of a step that is not settled."""
        profile = self._profiles.get(index)
        if profile is None:
            profile = self._profiles[index] = self._profile(self.state.steps[index].step)
        return profile

    # Gates that the world answers.

    def _ask(self, index: int, gate: Gate) -> None:
        self._asked.add(index)
        self._record.act(Ask(index, gate))

    def _ask_locks(self, index: int) -> None:
        lacking = self._admission.lacking(self.profile_of(index))
        if lacking is not None:
            self._fail(index, lacking)
        elif self.state.steps[index].step.locks:
            self._record.wait(index, "locks")
            self._ask(index, "locks")
        else:
            self._ask_circuit(index)

    def _ask_circuit(self, index: int) -> None:
        if self.state.plan.globals.circuit_breaker is not None:
            self._ask(index, "circuit")
        else:
            self._enqueue(index)

    def _enqueue(self, index: int) -> None:
        self._admission.push(index, self.profile_of(index), self._priorities[index])

    # Attempts.

    def _start(self, index: int) -> None:
        step, profile = self.state.steps[index], self.profile_of(index)
        number = step.number + 1
        data = self._describe(step, profile, number)
        self._record.emit(ev.ATTEMPT_STARTING, step.step.id, number, data)
        self._record.act(Start(index, number))
        self._time(index, step, profile)
        self._limit(index, step, profile)

    def _time(self, index: int, step: StepState, profile: Profile) -> None:
        """Bound the attempt under way, but for the time in which it waits for a person."""
        self._record.clear_timers(index, "timeout")
        if profile.timeout_sec is not None and step.last_started is not None:
            since = step.last_started + waited(step, self._record.now)
            self._record.set_timer("timeout", index, self._left(profile.timeout_sec, since))

    def _limit(self, index: int, step: StepState, profile: Profile) -> None:
        """Bound the step over all its attempts, also those before a crash."""
        limit = profile.step_limit_sec
        if limit is not None and not self._record.expects("step_limit", index):
            self._record.set_timer("step_limit", index, self._left(limit, step.first_started))

    def _left(self, limit: float, since: float | None) -> float:
        """Seconds left of a limit that counts from `since`, by the clock on the wall: never
        more than all of it, also after that was set back."""
        return limit if since is None else min(limit, limit - (self._record.now - since))

    def _adopt(self, index: int, step: StepState, profile: Profile) -> None:
        """Go on with the attempt a dead engine began; its limits count from that start."""
        self._admission.adopt(index, profile)
        self._record.act(Start(index, step.number, resumed=True))
        if step.step.locks:
            self._ask(index, "locks")
        self._time(index, step, profile)
        self._limit(index, step, profile)

    def _ended(self, index: int, result: Result, *, lost: bool) -> None:
        self._admission.release(index)
        step, profile = self.state.steps[index], self.profile_of(index)
        stop = self._stopping.pop(index, None)
        self._record.clear_timers(index, "timeout")
        if lost and stop is None:
            self._lost(index, step, profile)
        elif stop is not None and stop.cause == "canceled":
            self._end_attempt(index, "canceled", result)
            self._settle(index, "canceled", stop.reason)
        elif stop is not None:
            self._end_attempt(index, "timed_out", result, error=stop.reason)
            self._failed(index, None, stop.reason, profile, final=stop.cause == "limit")
        elif result.error is None:
            self._succeeded(index, result, profile)
        else:
            self._end_attempt(index, "failed", result, error=result.error)
            self._failed(index, result.exit_code, result.error, profile, outputs=result.outputs)

    def _end_attempt(
        self, index: int, status: str, result: Result, *, error: str | None = None
    ) -> None:
        step = self.state.steps[index]
        data: dict[str, Any] = {"status": status, "exit_code": result.exit_code}
        if error is not None:
            data["error"] = error
        self._record.emit(ev.ATTEMPT_SETTLED, step.step.id, step.number, data)
        told = status not in ("canceled", "lost")  # neither says anything of the tool
        if told and self.state.plan.globals.circuit_breaker is not None:
            tool = self.profile_of(index).tool
            self._record.act(ReportTool(index, tool, status == "succeeded"))

    def _succeeded(self, index: int, result: Result, profile: Profile) -> None:
        step = self.state.steps[index].step
        if profile.strict_outputs:
            missing = [name for name in step.provides if name not in result.outputs]
            if missing:
                error = f"did not provide {', '.join(missing)} (strict_outputs)"
                self._end_attempt(index, "failed", result, error=error)
                self._failed(index, result.exit_code, error, profile)
                return
        self._end_attempt(index, "succeeded", result)
        if step.outputs_files:
            self._record.act(RecordFiles(index))
        self._settle(index, "succeeded", outputs=result.outputs)

    def _failed(
        self,
        index: int,
        code: int | None,
        error: str,
        profile: Profile,
        *,
        final: bool = False,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        failures = self.state.steps[index].failures
        again = not (final or self._ending) and policy.may_retry(
            code, profile.retry, profile.retries, failures
        )
        if not again:
            self._fail(index, error, outputs=outputs)
            return
        pause = policy.delay(profile.retry, failures, self._random.random())
        self._record.wait(index, "backoff", {"delay_sec": pause, "failures": failures})
        self._record.set_timer("backoff", index, pause)

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
        profile = self.profile_of(index)
        if step.attempt_status not in ("starting", "running"):
            self._ask_locks(index)  # a second crash, before the lost attempt was made good
        elif profile.on_interrupt == "adopt":
            self._adopt(index, step, profile)
            if self._ending:
                self._stop(index, "canceled", self.state.canceling or self.state.aborting or "")
        elif self._ending:
            self._end_attempt(index, "canceled", Result())
            self._settle(index, "canceled", self.state.canceling or self.state.aborting)
        else:
            self._lost(index, step, profile)

    def _stop(self, index: int, cause: StopCause, reason: str) -> None:
        if index in self._admission.active and index not in self._stopping:
            self._stopping[index] = _Stopping(cause, reason)
            self._record.act(Stop(index))

    def _hit_step_limit(self, index: int) -> None:
        limit = self.state.plan.globals.max_step_duration_sec
        reason = f"all its attempts together took longer than max_step_duration_sec ({limit} s)"
        if index in self._admission.active:
            self._stop(index, "limit", reason)
        elif self.state.steps[index].status not in STEP_OVER:
            self._admission.discard(index)
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
            self._record.act(ReleaseLocks(index))
        self._record.clear_timers(index, "step_limit", "approval", "backoff", "circuit")
        number = self.state.steps[index].number or None
        self._record.emit(ev.STEP_SETTLED, step.id, number, data)
        self._profiles.pop(index, None)

    def _fail(self, index: int, reason: str, *, outputs: Mapping[str, Any] | None = None) -> None:
        """The step failed for good."""
        step = self.state.steps[index].step
        self._settle(index, "failed", reason, outputs=outputs)
        if step.on_failure == "abort":
            self._abort(f"step {step.id!r} failed: {reason}")

    def _abort(self, reason: str) -> None:
        if not self._ending:
            self._record.emit(ev.RUN_CANCELING, data={"reason": reason, "abort": True})
            self._sweep()

    def _sweep(self) -> None:
        """Stop what runs and settle what has not begun."""
        canceled = self.state.canceling is not None
        reason = self.state.canceling if canceled else self.state.aborting
        for index in list(self._admission.active):
            self._stop(index, "canceled", reason or "")
        self._admission.clear()
        self._held.clear()
        for index, step in enumerate(self.state.steps):
            if canceled and step.status == "quarantined":
                self._record.emit(ev.STEP_REOPENED, step.step.id, data={"reason": reason})
            # Running with no attempt open: a crash took the attempt, and none has followed.
            lost = step.status == "running" and step.attempt_status == "lost"
            if lost or step.status in ("pending", "waiting"):
                self._settle(index, "canceled" if canceled else "skipped", reason)
