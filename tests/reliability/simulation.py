"""A run without processes, clocks or a database: `RunMachine` and a world that does what it
asks, in an order drawn at random, and that crashes when it likes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Final

import msgspec
from msgspec import Struct
from semantics import Watcher, outputs_of

from stoker.engine import scope
from stoker.engine.capacity import Capacity
from stoker.engine.effects import Ask, ClearTimers, ReleaseLocks, SetTimer, Start, Stop
from stoker.engine.kinds import Result
from stoker.engine.machine import RunMachine
from stoker.engine.profile import demand, profile
from stoker.engine.state import RunState
from stoker.journal.events import RUN_CREATED, Event
from stoker.plan.errors import Problem
from stoker.plan.graph import Graph
from stoker.plan.graph_rules import check_graph
from stoker.plan.model import Plan, Step
from stoker.plan.validate import validate
from stoker.steps.registry import kinds

KINDS: Final = kinds()
RUN: Final = "r"
CAPACITIES: Final = {"gpu": 2.0, "licence": 1.0}


class Case(Struct, frozen=True, kw_only=True):
    """A plan, what is added to it while it runs, how its attempts go, and how it is run."""

    plan: Plan
    extension: tuple[Step, ...]
    outcomes: dict[str, tuple[Any, ...]]
    slots: int | None
    """Of the engine."""
    manual: bool
    mischief: bool
    """Whether the run is paused, canceled and so on."""
    crashes: int

    @property
    def whole(self) -> Plan:
        """As if the extension had been there from the start."""
        return msgspec.structs.replace(self.plan, steps=self.plan.steps + self.extension)

    def script(self, step_id: str, attempt: int) -> Any:
        outcomes = self.outcomes.get(step_id) or self.outcomes[step_id.partition("[")[0]]
        return outcomes[min(attempt, len(outcomes) - 1)]

    @property
    def width(self) -> int:
        return self.plan.globals.max_concurrency


def draw_case(random: Random, *, crashes: int = 0, mischief: bool = False) -> Case:
    """A sound case of up to twelve steps."""
    steps: list[Step] = []
    size, extra = random.randint(1, 12), random.choice((0, 0, 0, 2))
    for number in range(size):
        steps.append(_step(random, f"s{number}", steps))
    steps = _with_fallbacks(random, steps, 0)
    base = tuple(steps)
    for number in range(extra):
        steps.append(_step(random, f"x{number}", _normal(steps)))
    whole = _with_fallbacks(random, steps, len(base))
    plan = Plan(
        plan_id="p",
        steps=base,
        strict_outputs=random.random() < 0.2,
        globals=msgspec.convert(
            {"max_concurrency": random.randint(1, 4), "resources": CAPACITIES},
            type(Plan(plan_id="p").globals),
        ),
    )
    problems = validate(msgspec.structs.replace(plan, steps=tuple(whole)), KINDS)
    errors = [f"{p.pointer}: {p.message}" for p in problems if p.severity == "error"]
    assert not errors, errors
    return Case(
        plan=plan,
        extension=tuple(whole[len(base) :]),
        outcomes={name: _outcomes(random) for step in whole for name in _names(step)},
        slots=random.choice((None, None, 1, 3)),
        manual=random.random() < 0.15,
        mischief=mischief,
        crashes=crashes,
    )


def _normal(steps: Sequence[Step]) -> list[Step]:
    """Without fallbacks, which nothing may depend on."""
    fallbacks = {step.fallback_step for step in steps}
    return [step for step in steps if step.id not in fallbacks]


def _names(step: Step) -> list[str]:
    return [f"{step.id}[{item}]" for item in step.foreach] if step.foreach else [step.id]


def _outcomes(random: Random) -> tuple[Any, ...]:
    wanted = random.random()
    if wanted < 0.55:
        return (0,)
    return tuple(random.choice((0, 1, 1, 2, "timeout")) for _ in range(random.randint(1, 3)))


def _step(random: Random, step_id: str, before: Sequence[Step]) -> Step:
    ids = [step.id for step in before]
    fields: dict[str, Any] = {"id": step_id, "command": "true", "timeout_sec": 60}
    fields["depends_on"] = sorted(
        {random.choice(ids) for _ in range(random.choice((0, 1, 1, 2))) if ids}
    )
    fields["on_failure"] = random.choice(
        ("abort", "skip_dependents", "skip_dependents", "continue", "continue")
    )
    fields["critical"] = random.random() < 0.5
    if random.random() < 0.4:
        fields["retries"] = random.randint(0, 3)
        fields["retry"] = {"on_exit_codes": random.choice((None, (1,), (2,), (1, 2)))}
    if random.random() < 0.5:
        fields["provides"] = (f"out-{step_id}",)
    given = [name for step in before for name in step.provides]
    if given and random.random() < 0.3:
        fields["consumes"] = (random.choice(given),)
    if ids and random.random() < 0.2:
        fields["condition"] = _test(random, ids)
    if ids and random.random() < 0.15:
        fields["skip_if"] = tuple(_test(random, ids) for _ in range(random.randint(1, 2)))
    if random.random() < 0.3:
        fields["locks"] = tuple(sorted({random.choice("LMN") for _ in range(2)}))
    if random.random() < 0.3:
        name = random.choice(sorted(CAPACITIES))
        fields["resources"] = {name: random.randint(1, int(CAPACITIES[name]))}
    if random.random() < 0.15:
        fields["foreach"] = tuple("abc"[: random.randint(0, 3)])
    if random.random() < 0.2:
        fields["on_interrupt"] = "adopt"
    if random.random() < 0.1:
        fields["tags"] = ("silent",)
    return msgspec.convert(fields, Step)


def _test(random: Random, ids: Sequence[str]) -> str:
    operator = random.choice(("==", "!="))
    if random.random() < 0.3:
        return f"prev.{random.choice(ids)}.exit_code {operator} {random.randint(0, 2)}"
    status = random.choice(("success", "failed", "skipped"))
    return f"prev.{random.choice(ids)}.status {operator} '{status}'"


def _with_fallbacks(random: Random, steps: list[Step], first: int) -> list[Step]:
    """Give some steps from `first` on a fallback among them, where that makes a sound plan."""
    for _ in range(random.choice((0, 1, 2, 4))):
        if len(steps) - first < 2:
            break
        origin, fallback = random.sample(range(first, len(steps)), 2)
        ids = [step.id for step in steps]
        shared = [ids.index(s.fallback_step) for s in steps[first:] if s.fallback_step is not None]
        if shared and random.random() < 0.4:
            fallback = random.choice(shared)
        if steps[origin].fallback_step is not None or origin == fallback:
            continue
        changed = list(steps)
        covering = {"on_failure": "fallback_step", "fallback_step": steps[fallback].id}
        changed[origin] = msgspec.structs.replace(steps[origin], **covering)
        if steps[origin].provides and not changed[fallback].consumes:
            both = tuple({*steps[origin].provides, *changed[fallback].provides})
            changed[fallback] = msgspec.structs.replace(changed[fallback], provides=both)
        if _sound(changed):
            steps = changed
    return steps


def _sound(steps: Sequence[Step]) -> bool:
    graph = Graph.build(steps)
    # A fallback shared by several must not look at one of them: what it sees then depends
    # on which of them failed first.
    for fallback, origins in graph.fallback_of.items():
        text = f"{steps[fallback].condition} {steps[fallback].skip_if}"
        if len(origins) > 1 and any(f"prev.{graph.ids[o]}." in text for o in origins):
            return False
    found: list[Problem] = list(check_graph(graph, steps))
    return not found


class World:
    """Carries a case out. `log` is the journal: the batches that were committed."""

    def __init__(self, case: Case, random: Random) -> None:
        self.case = case
        self.random = random
        self.now = 1000.0
        self.log: list[list[Event]] = [
            [Event(RUN, 1, RUN_CREATED, self.now, data={"plan_id": "p"})]
        ]
        self.watcher = Watcher(case.plan, width=case.width, capacities=CAPACITIES)
        self.consumed: dict[str, dict[str, Any]] = {}
        self.crashes = case.crashes
        self.watcher.see(self.log[0][0])
        self.processes: dict[str, int] = {}
        """Attempts under way, by step: what outlives a crash if it is to be adopted."""
        self._boot()

    def _boot(self) -> None:
        self.machine = self._machine(self.replayed())
        # What a person asked for is asked again until it is in the journal.
        self.canceled = self.machine.state.canceling is not None
        self.extension = [s for s in self.case.extension if s.id not in self.watcher.steps]
        self.running: dict[int, bool] = {}
        """Attempts this engine waits for, and whether it has stopped them."""
        self.timers: set[tuple[str, int]] = set()
        self.delays: dict[tuple[str, int], float] = {}
        self.claims: dict[int, tuple[str, ...]] = {}
        """In order of arrival."""
        self.unanswered: set[int] = set()
        self.machine.begin(self.now, engine="e")

    def replayed(self) -> RunState:
        """The state the journal tells of."""
        return RunState(RUN, self.case.plan, (event for batch in self.log for event in batch))

    def _machine(self, state: RunState) -> RunMachine:
        def wake() -> None:
            assert not self.admitting, "the machine wakes itself: the run would spin"

        self.admitting = False
        return RunMachine(
            state,
            profile=lambda step: profile(self.case.plan, step, KINDS),
            describe=lambda state, profile, number: profile.describe(state.step, state.failures),
            capacity=Capacity(self.case.slots, dict(demand(CAPACITIES))),
            wake=wake,
            inputs={},
            env={},
            width=self.case.width,
            manual=self.case.manual,
            random=Random(0),
        )

    def run(self) -> None:
        """Go on until the run is over; a run that is stuck is an `AssertionError`."""
        for _ in range(2000):
            if not self.tick():
                continue
            if self.machine.over:
                return
            if self.crashes and self.random.random() < 0.2:
                self.crash()
                continue
            for number in range(self.random.choice((1, 1, 1, 2, 4))):
                possible = self._possible()
                if possible:
                    self.happens(*self.random.choice(possible))
                elif not number:
                    raise AssertionError(f"nothing can happen any more: {self._standing()}")
            self.now += self.random.choice((0.0, 0.5, 30.0))
        raise AssertionError("the run does not end")

    def tick(self) -> bool:
        """Decide, commit and act; False if there was a crash before the commit."""
        self.admitting = True
        self.machine.admit(self.now)
        self.admitting = False
        if self.crashes and self.random.random() < 0.1:
            self.crash()
            return False
        events, effects = self.machine.take()
        if events:
            self.log.append(events)
        for event in events:
            self.watcher.see(event)
        for effect in effects:
            self._perform(effect)
        return True

    def crash(self) -> None:
        self.crashes -= 1
        self._boot()

    def _perform(self, effect: Any) -> None:
        state = self.machine.state
        if isinstance(effect, Start):
            step = state.steps[effect.step]
            step_id = step.step.id
            assert self.watcher.open[step_id] == effect.number, "not journaled first"
            assert effect.step not in self.running
            if effect.resumed:
                assert self.processes.get(step_id, effect.number) == effect.number
            self.processes[step_id] = effect.number
            self.running[effect.step] = False
            self.consumed[step_id] = scope.consumed(state, effect.step)
        elif isinstance(effect, Stop):
            if effect.step in self.running:  # else it has just ended by itself
                self.running[effect.step] = True
        elif isinstance(effect, SetTimer):
            self.timers.add((effect.kind, effect.step))
            self.delays[effect.kind, effect.step] = effect.delay_sec
        elif isinstance(effect, ClearTimers):
            self.timers.difference_update((kind, effect.step) for kind in effect.kinds)
        elif isinstance(effect, Ask):
            assert effect.gate == "locks"
            self.claims[effect.step] = state.steps[effect.step].step.locks
            self.unanswered.add(effect.step)
        elif isinstance(effect, ReleaseLocks):
            self.claims.pop(effect.step, None)
            self.unanswered.discard(effect.step)

    def _standing(self) -> list[tuple[str, str, str | None]]:
        return [(s.step.id, s.status, s.reason) for s in self.machine.state.steps]

    def happens(self, kind: str, index: int) -> None:
        machine, now = self.machine, self.now
        if kind == "end":
            self._end(index)
        elif kind == "grant":
            self.unanswered.discard(index)
            machine.gate(index, "locks", None, now)
        elif kind in ("timeout", "backoff"):
            self.timers.discard((kind, index))
            machine.timer(kind, index, now)
        elif kind == "next":
            machine.advance(now)
        elif kind == "pause":
            machine.pause(now)
        elif kind == "unpause":
            machine.unpause(now)
        elif kind == "extend":
            machine.extend(self.extension, "test", now)
            self.extension = []
        else:
            self.canceled = True
            machine.cancel("enough", now)

    def _possible(self) -> list[tuple[str, int]]:
        """What may happen next."""
        found: list[tuple[str, int]] = []
        if self.extension:
            # Before the last attempt ends: a run that is over takes no more steps.
            found.append(("extend", -1))
        for index, stopped in self.running.items():
            if stopped or self._outcome(index) != "timeout":
                if not self.extension or len(self.running) > 1:
                    found.append(("end", index))
            elif ("timeout", index) in self.timers:
                found.append(("timeout", index))
        found += [("backoff", index) for kind, index in self.timers if kind == "backoff"]
        for index in self.unanswered:
            older = [other for other in self.claims if other != index]
            older = older[: list(self.claims).index(index)]
            if not any(set(self.claims[o]) & set(self.claims[index]) for o in older):
                found.append(("grant", index))
        paused = self.machine.state.status == "paused"
        if paused:
            found.append(("unpause", -1))
        if self.case.manual and (not found or self.random.random() < 0.2):
            found.append(("next", -1))
        if self.case.mischief and not self.canceled and self.random.random() < 0.1:
            found.append(("unpause" if paused else "pause", -1))
            found.append(("cancel", -1))
        return sorted(found)

    def _outcome(self, index: int) -> Any:
        step = self.machine.state.steps[index]
        tried = [how for how in self.watcher.past.get(step.step.id, ()) if how != "lost"]
        return self.case.script(step.step.id, len(tried))

    def _end(self, index: int) -> None:
        step = self.machine.state.steps[index].step
        stopped = self.running.pop(index)
        del self.processes[step.id]
        outcome = self._outcome(index)
        if stopped:
            result = Result(exit_code=143, error="stopped")
        elif outcome == 0:
            parent = self.watcher.steps[step.id.partition("[")[0]]
            result = Result(exit_code=0, outputs=outputs_of(parent, step.id))
        else:
            result = Result(exit_code=outcome, error=f"exit code {outcome}")
        self.machine.attempt_ended(index, result, self.now)
