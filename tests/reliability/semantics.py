"""What a plan means, written a second time: small, slow, and from the specification alone.

`Reference` says how every step of a plan must end once it is known how its attempts go.
That does not depend on any order of events, but for one thing: when a run is aborted or
canceled. `Watcher` reads a run's events one by one and holds them against the rules that
every order must obey.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from stoker.journal.events import Event
from stoker.plan.model import Plan, Step

Outcome = int | Literal["timeout"]
"""How an attempt goes: its exit code, or that it never ends by itself."""
Script = Callable[[str, int], Outcome]
"""The outcome of a step's N-th attempt, N counted from 0 and without those a crash cut short."""

_TEST = re.compile(r"prev\.([\w-]+)\.(status|exit_code) (==|!=) (?:'(\w+)'|(\d+))")
_SETTLED = {"succeeded", "failed", "skipped", "canceled"}


class End(Struct, frozen=True):
    """How one step ends."""

    status: str
    excused: bool = False
    """Skipped, but not because something failed."""
    attempts: int = 0
    exit_code: int | None = None
    outputs: dict[str, Any] = {}


class Reference:
    """The ends of all steps of a plan in which nothing is aborted or canceled."""

    def __init__(self, plan: Plan, script: Script) -> None:
        self.steps = {step.id: step for step in plan.steps}
        self._default_retries = plan.globals.default_retries
        self._strict = plan.strict_outputs
        self._script = script
        self.covered = covered(plan.steps)
        self.providers = providers(plan.steps)
        self.end = cache(self._end)

    def aborts(self) -> bool:
        """Whether some step would abort the run."""
        return any(
            self.end(step.id).status == "failed" and step.on_failure == "abort"
            for step in self.steps.values()
        )

    def run_status(self) -> str:
        return "failed" if any(map(self._condemns, self.steps.values())) else "succeeded"

    def _condemns(self, step: Step) -> bool:
        if self.end(step.id).status != "failed" or not step.critical:
            return False
        return not (step.on_failure == "fallback_step" and self.stands_in(step.fallback_step))

    def satisfied(self, step_id: str) -> bool:
        """Whether the dependents of a step run."""
        end, step = self.end(step_id), self.steps[step_id]
        if end.status == "failed":
            if step.on_failure == "fallback_step":
                return self.stands_in(step.fallback_step)
            return step.on_failure == "continue"
        return end.status == "succeeded" or end.excused

    def stands_in(self, step_id: str) -> bool:
        """Whether a fallback succeeded, itself or through its own fallback."""
        end, step = self.end(step_id), self.steps[step_id]
        if end.status == "failed" and step.on_failure == "fallback_step":
            return self.stands_in(step.fallback_step)
        return end.status == "succeeded"

    def outputs(self, step_id: str) -> dict[str, Any]:
        """What is consumed of a step, from whoever stands in for it."""
        end, step = self.end(step_id), self.steps[step_id]
        if end.status == "failed" and step.on_failure == "fallback_step":
            if not self.stands_in(step.fallback_step):
                return {}
            return {**end.outputs, **self.outputs(step.fallback_step)}
        return end.outputs

    def consumed(self, step_id: str) -> dict[str, Any]:
        """The values a step is given."""
        step = self.steps[step_id.partition("[")[0]]
        values = {name: self.outputs(self.providers[name]) for name in step.consumes}
        return {name: given[name] for name, given in values.items() if name in given}

    def _end(self, step_id: str) -> End:
        step = self.steps[step_id]
        dependencies = {*step.depends_on, *(self.providers[name] for name in step.consumes)}
        if not all(self.satisfied(dependency) for dependency in dependencies):
            return End("skipped")
        origins = self.covered.get(step_id)
        if origins and not any(self.end(origin).status == "failed" for origin in origins):
            return End("skipped", excused=True)
        skip_if = (step.skip_if,) if isinstance(step.skip_if, str) else step.skip_if or ()
        if step.condition is not None and not self._holds(step.condition):
            return End("skipped", excused=True)
        if any(self._holds(test) for test in skip_if):
            return End("skipped", excused=True)
        if step.foreach is None:
            return self.executed(step, step_id)
        children = [self.executed(step, f"{step_id}[{item}]") for item in step.foreach]
        failed = any(child.status == "failed" for child in children)
        names = [name for name in step.provides if any(child.outputs for child in children)]
        outputs = {n: [c.outputs.get(n) for c in children] for n in names}
        return End("failed" if failed else "succeeded", outputs=outputs)

    def executed(self, step: Step, step_id: str) -> End:
        """A step, or a child of one, that nothing keeps from running."""
        retries = self._default_retries if step.retries is None else step.retries
        strict = self._strict if step.strict_outputs is None else step.strict_outputs
        codes = step.retry.on_exit_codes if step.retry else None
        attempts = 0
        while True:
            outcome = self._script(step_id, attempts)
            attempts += 1
            code = None if outcome == "timeout" else outcome
            if code == 0:
                outputs = outputs_of(step, step_id)
                promised = step.provides if step.foreach is None else ()
                if not strict or all(name in outputs for name in promised):
                    return End("succeeded", False, attempts, 0, outputs)
            if attempts > retries or (codes is not None and code not in codes):
                return End("failed", False, attempts, code)

    def _holds(self, test: str) -> bool:
        step_id, field, operator, word, number = _TEST.fullmatch(test).groups()
        end = self.end(step_id)
        if field == "status":
            found, wanted = {"succeeded": "success"}.get(end.status, end.status), word
        else:
            found, wanted = end.exit_code, int(number)
        return (found == wanted) == (operator == "==")


class Watcher:
    """Sees events in order; raises `AssertionError` at the first that breaks a rule."""

    def __init__(self, plan: Plan, *, width: int, capacities: Mapping[str, float]) -> None:
        self._width = width
        self._capacities = capacities
        self.steps: dict[str, Step] = {}
        self.covered: dict[str, list[str]] = {}
        self.providers: dict[str, str] = {}
        self.settled: dict[str, Event] = {}
        self.open: dict[str, int] = {}
        """Attempts under way, by step."""
        self.past: dict[str, list[str]] = {}
        """How the attempts of a step ended."""
        self.ending: Event | None = None
        self.standing_at_end: tuple[dict[str, str], set[str]] = ({}, set())
        """What had settled, and what ran, when the run began to end early."""
        self.run_status = "pending"
        self.sequence = 0
        self._add(plan.steps)

    def see(self, event: Event) -> None:
        assert event.sequence == self.sequence + 1
        self.sequence = event.sequence
        assert self.run_status not in _SETTLED, f"{event.type} after the end"
        getattr(self, "_" + event.type.replace(".", "_"), lambda event: None)(event)

    def status(self, step_id: str) -> str:
        return self.settled[step_id].data["status"] if step_id in self.settled else "open"

    def satisfied(self, step_id: str) -> bool:
        """By what has happened so far."""
        step, status = self.steps[step_id], self.status(step_id)
        if status == "failed":
            if step.on_failure == "fallback_step":
                return self._stands_in(step.fallback_step)
            return step.on_failure == "continue"
        return status == "succeeded" or self._excused(step_id)

    def _stands_in(self, step_id: str) -> bool:
        step, status = self.steps[step_id], self.status(step_id)
        if status == "failed" and step.on_failure == "fallback_step":
            return self._stands_in(step.fallback_step)
        return status == "succeeded"

    def _excused(self, step_id: str) -> bool:
        return self.status(step_id) == "skipped" and bool(
            self.settled[step_id].data.get("satisfied")
        )

    def _add(self, steps: Sequence[Step]) -> None:
        self.steps |= {step.id: step for step in steps}
        self.covered = covered(self.steps.values())
        self.providers = providers(self.steps.values())

    def _run_started(self, event: Event) -> None:
        self.run_status = "running"

    def _run_paused(self, event: Event) -> None:
        assert self.run_status == "running"
        self.run_status = "paused"

    def _run_unpaused(self, event: Event) -> None:
        assert self.run_status == "paused"
        self.run_status = "running"

    def _run_extended(self, event: Event) -> None:
        self._add(msgspec.convert(event.data["steps"], list[Step]))

    def _step_expanded(self, event: Event) -> None:
        for child in msgspec.convert(event.data["steps"], list[Step]):
            self.steps[child.id] = child

    def _run_canceling(self, event: Event) -> None:
        assert self.ending is None or not event.data.get("abort")
        if self.ending is None:
            self.ending = event
            statuses = {step: e.data["status"] for step, e in self.settled.items()}
            self.standing_at_end = (statuses, set(self.open))

    def _run_settled(self, event: Event) -> None:
        assert not self.open
        assert self.settled.keys() == self.steps.keys()
        self.run_status = event.data["status"]

    def _step_waiting(self, event: Event) -> None:
        assert event.step not in self.settled
        assert event.step not in self.open

    def _step_settled(self, event: Event) -> None:
        assert event.step not in self.settled, f"{event.step} settled twice"
        assert event.step not in self.open, f"{event.step} settled with an attempt under way"
        self.settled[event.step] = event

    def _attempt_starting(self, event: Event) -> None:
        step_id = event.step
        step, past = self.steps[step_id], self.past.setdefault(step_id, [])
        assert self.run_status == "running"
        assert self.ending is None, f"{step_id} started after the run began to end"
        assert step_id not in self.settled, f"{step_id} started after it settled"
        assert step_id not in self.open, f"{step_id} started twice"
        assert event.attempt == len(past) + 1
        assert not past or past[-1] in ("failed", "timed_out", "lost")
        for dependency in {*step.depends_on, *(self.providers[name] for name in step.consumes)}:
            assert self.satisfied(dependency), f"{step_id} started before {dependency}"
        origins = self.covered.get(step_id, ())
        for other in looked_at(step).difference(origins):
            assert other in self.settled, f"{step_id} started before {other}, which it looks at"
        assert not origins or any(self.status(origin) == "failed" for origin in origins)
        running = [self.steps[other] for other in self.open]
        assert len(running) < self._width, "more at once than may be"
        for lock in step.locks:
            assert not any(lock in other.locks for other in running), f"{lock} held twice"
        for name, amount in step.resources.items():
            taken = sum(other.resources.get(name, 0) for other in running)
            assert taken + amount <= self._capacities[name], f"{name} over its capacity"
        self.open[step_id] = event.attempt

    def _attempt_running(self, event: Event) -> None:
        assert self.open[event.step] == event.attempt

    def _attempt_settled(self, event: Event) -> None:
        assert self.open.pop(event.step) == event.attempt
        self.past[event.step].append(event.data["status"])


def outputs_of(step: Step, step_id: str) -> dict[str, str]:
    """What a step of these tests puts out when it succeeds; some promise and do not give."""
    return {} if "silent" in step.tags else {name: f"{name} by {step_id}" for name in step.provides}


def looked_at(step: Step) -> set[str]:
    """The steps its conditions refer to."""
    skip_if = (step.skip_if,) if isinstance(step.skip_if, str) else step.skip_if or ()
    tests = (*skip_if, *((step.condition,) if step.condition is not None else ()))
    return {_TEST.fullmatch(test).group(1) for test in tests}


def covered(steps: Any) -> dict[str, list[str]]:
    """By fallback, the steps it stands in for."""
    found: dict[str, list[str]] = {}
    for step in steps:
        if step.fallback_step is not None:
            found.setdefault(step.fallback_step, []).append(step.id)
    return found


def providers(steps: Any) -> dict[str, str]:
    """By name, the step that provides it; a fallback only if nobody else does."""
    steps = list(steps)
    stand_ins = covered(steps)
    ranked = sorted(steps, key=lambda step: step.id not in stand_ins)
    return {name: step.id for step in ranked for name in step.provides}
