"""One run at work: the loop that feeds facts to the machine, makes its events durable, and
only then carries out its effects.

Everything that happens in one turn of the event loop (exits, timers, commands) is one
tick: settled together, journaled in one transaction, acted on after it. So group commit
costs no waiting, and a start is durable before its process exists. Ends of processes are
settled in the very turn that hears of them, where the journal needs no waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from msgspec import Struct

from stoker.engine.commands import CommandRefused, ReadSteps, obey
from stoker.engine.effects import (
    Answered,
    Ask,
    ClearTimers,
    Effect,
    RecordFiles,
    ReleaseLocks,
    ReportTool,
    SetTimer,
    Start,
    Stop,
    TimerKind,
)
from stoker.engine.fault import broke
from stoker.engine.feed import Feed
from stoker.engine.gatekeeper import Gatekeeper
from stoker.engine.kinds import Answer, ProcessWork, Result
from stoker.engine.launch import Launcher
from stoker.engine.lifecycle import STEP_OVER
from stoker.engine.machine import RunMachine
from stoker.engine.outputs import OutputError
from stoker.engine.pids import FreshPids
from stoker.engine.uptodate import Fingerprints
from stoker.engine.works import Works
from stoker.journal.base import Command, Journal, JournalError, Lease, LeaseLost
from stoker.journal.events import ATTEMPT_STARTING, COMMAND_REFUSED, Event
from stoker.log import get_logger
from stoker.plan.errors import PlanError
from stoker.plan.model import Step
from stoker.process.spawner import Spawner
from stoker.process.spec import Exit
from stoker.process.tree import end_all

log = get_logger(__name__)

T = TypeVar("T")

_CONSULTED = Ask | ReleaseLocks | ReportTool


class Outcome(Struct, frozen=True):
    """How a run stands when its engine has nothing more to do for it."""

    run_id: str
    status: Literal["succeeded", "failed", "canceled", "quarantined", "waiting", "suspended"]
    """`waiting`: for a person; `suspended`: the engine was closed. Both can be resumed."""
    reason: str | None = None


class Run:
    """Drives one run to its end. Owned by the engine; everything happens in its event loop."""

    def __init__(
        self,
        *,
        machine: RunMachine,
        launcher: Launcher,
        lease: Lease,
        journal: Journal,
        spawner: Spawner,
        fingerprints: Fingerprints,
        read_steps: ReadSteps,
        feed: Feed,
        park: bool,
        more: Sequence[Step] = (),
        by: str = "engine",
    ) -> None:
        """`more`: steps to begin with, see `RunMachine.begin`."""
        self.machine = machine
        self.feed = feed
        self.lease = lease
        self._launcher = launcher
        self._journal = journal
        self._read_steps = read_steps
        self.redact = launcher.redactor.text
        self._park = park
        self._more = more
        self._by = by
        self.on_parked: Callable[[bool], None] | None = None
        """Told when the run begins or ceases to wait for nothing but a person."""
        self._told_parked = False
        self._facts: deque[Callable[[float], None]] = deque()
        self._signal = asyncio.Event()
        self._waiting = False
        """The loop of ticks waits for the signal: nothing is being decided or committed."""
        self._decided: tuple[list[Event], list[Effect]] | None = None
        """What a turn has decided and left to the loop."""
        self._fault: Exception | None = None
        """What a turn failed with: the loop's to raise."""
        self._spawner = spawner
        self._pids = FreshPids(self._signal.set)
        self._works = Works(
            launcher,
            spawner,
            run_id=lease.run_id,
            profile_of=machine.profile_of,
            on_end=self._ended,
            on_pid=self._pids.add,
        )
        self._gatekeeper = Gatekeeper(
            machine,
            launcher,
            lease,
            journal,
            fingerprints=fingerprints,
            fact=self._fact,
        )
        self._timers: dict[tuple[TimerKind, int], asyncio.TimerHandle] = {}
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        """By step: what its attempt has asked."""
        self._inbox = True
        self._applied: list[int] = []
        self._replies: list[Callable[[], None]] = []
        self._suspended = False
        self._fenced: JournalError | None = None
        self._bound: asyncio.Timeout | None = None
        """Around the loop while that runs."""
        self._group: asyncio.TaskGroup

    # What others call.

    def wake(self) -> None:
        """Look again: capacity may be free."""
        self._signal.set()

    def look_at_inbox(self) -> None:
        """There may be commands, a lock may be free or a circuit closed."""
        self._inbox = True
        self._signal.set()

    def suspend(self) -> None:
        """Stop driving; what has no keeper is ended, and a later resume goes on."""
        self._suspended = True
        self._signal.set()

    def fence(self, error: JournalError) -> None:
        """The lease cannot be relied upon any more: stop at once, also in the middle of a call
        to the journal. `drive` raises `error`."""
        if self._fenced is None:
            self._fenced = error
            self.suspend()
            if self._bound is not None:
                self._bound.reschedule(0)

    @property
    def ending(self) -> bool:
        """The run was canceled or aborted."""
        state = self.machine.state
        return state.canceling is not None or state.aborting is not None

    @property
    def suspended(self) -> bool:
        """Nothing more is driven here; a resume may go on."""
        return self._suspended

    def nested_parked(self, step_id: str, run_id: str, parked: bool) -> None:
        """A run nested in a step can, or can no longer, go on only with a person's help."""
        index = self.machine.state.graph.index[step_id]
        if parked:
            self.machine.dormant[index] = f"for nested run {run_id}"
        else:
            self.machine.dormant.pop(index, None)
        self._signal.set()

    async def ask(self, step_id: str, key: str, prompt: str) -> Answer:
        """See `Attempt.ask`."""
        index = self.machine.state.graph.index[step_id]
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[index] = answer
        try:
            await self.call(lambda now: self.machine.ask(index, key, prompt, now))
            return await answer
        except asyncio.CancelledError:
            if not self._suspended:
                self._fact(lambda now: self.machine.withdraw(index, key, now))
            raise

    async def others(self, step_id: str, other: str) -> None:
        """See `Attempt.others`."""
        index = self.machine.state.graph.index
        mine, theirs = index[step_id], index[other]
        self._fact(lambda _: self.machine.wait_for(mine, theirs))
        try:
            state = self.machine.state
            async for _ in self.feed.read(state.sequence - 1):
                if state.steps[theirs].status in STEP_OVER:
                    return
        finally:
            self._fact(lambda _: self.machine.wait_for(mine, None))

    def lend(self, step_id: str, *, lent: bool) -> None:
        """A nested run's steps have the slot of the attempt that it is under, or not any more."""
        index = self.machine.state.graph.index[step_id]
        self._fact(lambda _: self.machine.lend(index, lent=lent))

    async def call(self, decide: Callable[[float], T]) -> T:
        """Have the machine decide something; returns once the decision is durable."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def fact(now: float) -> None:
            try:
                value = decide(now)
            except Exception as error:
                self._replies.append(partial(_reply, done, None, error))
            else:
                self._replies.append(partial(_reply, done, value, None))

        self._facts.append(fact)
        self._signal.set()
        return await done

    # The loop.

    async def drive(self, engine_id: str) -> Outcome:
        """Run until it is over, waits for a person, or is suspended.

        Raises `JournalError` (and `LeaseLost`) when decisions cannot be made durable, or the
        lease ran out; the run's processes are ended then, and the journal says what a resume
        needs.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._group = self._works.group = self._gatekeeper.group = group
                try:
                    await self._loop_until_fenced(engine_id)
                    outcome = self._outcome()
                finally:
                    self._suspended = True
                    self._works.leave()
        except ExceptionGroup as errors:
            error = errors.exceptions[0]
            if isinstance(error, LeaseLost) and await self._has_moved():
                self._works.keep_nothing()
            raise error from None
        finally:
            try:
                await self._works.end_processes()
            finally:  # also when this is cancelled once more
                profile_of = self.machine.profile_of
                self._launcher.mask_interrupted(lambda i: profile_of(i).on_interrupt == "adopt")
                self._launcher.close()
                for timer in self._timers.values():
                    timer.cancel()
                self._pids.close()
                self.machine.close()
                self.feed.close()
        return outcome

    async def _has_moved(self) -> bool:
        """Whether an engine on another machine has the run: it sees nothing of what was kept
        here, and begins it anew."""
        try:
            holder = (await self._journal.run(self.lease.run_id)).engine
        except JournalError:
            return False
        return holder is not None and holder.host != self.lease.engine.host

    async def _loop_until_fenced(self, engine_id: str) -> None:
        try:
            async with asyncio.timeout(None) as self._bound:
                await self._loop(engine_id)
        except TimeoutError:
            if self._fenced is None:
                raise
            # What was settled last may not be in the journal.
            raise self._fenced from None
        finally:
            self._bound = None
        if self._fenced is not None and not self.machine.over:
            raise self._fenced

    async def _loop(self, engine_id: str) -> None:
        self.machine.begin(time.time(), engine=engine_id, more=self._more, by=self._by)
        while not self._suspended:
            await self._tick()
            if self.machine.over or self._parked():
                return
            if not self._facts and not self._inbox:
                self._waiting = True
                await self._signal.wait()
                self._waiting = False
            self._signal.clear()

    def _parked(self) -> bool:
        """Whether to leave the loop because only a person can make the run go on."""
        parked = self.machine.parked and not self._facts
        if self.on_parked is not None and parked != self._told_parked:
            self._told_parked = parked
            self.on_parked(parked)
        return self._park and parked

    def _outcome(self) -> Outcome:
        state = self.machine.state
        if self.machine.over:
            return Outcome(state.run_id, state.status, state.reason)  # type: ignore[arg-type]
        if self._suspended:
            return Outcome(state.run_id, "suspended", "the engine was closed")
        waiting = [
            f"{step.step.id} ({step.reason})" for step in state.steps if step.status == "waiting"
        ]
        for index, what in self.machine.dormant.items():
            waiting.append(f"{state.steps[index].step.id} ({what})")
        return Outcome(state.run_id, "waiting", ", ".join(waiting) or "for the next batch")

    async def _tick(self) -> None:
        if self._fault is not None:
            raise self._fault
        now = time.time()
        decided, self._decided = self._decided, None
        if self._inbox and decided is None:
            self._inbox = False
            await self._read_inbox(now)
        events, effects = decided or self._decide(now)
        if self.machine.over:
            await self._end_stragglers()
        if events or self._applied:
            barrier = self._needs_barrier(events)
            await self._journal.commit(self.lease, events, applied=self._applied, barrier=barrier)
            self._applied.clear()
        self._act(events, effects)
        for effect in effects:
            if isinstance(effect, _CONSULTED):
                await self._gatekeeper.consult(effect)
        for reply in self._replies:
            reply()
        self._replies.clear()

    def _turn(self) -> None:
        """A tick at once: waking the loop for it would take another turn of the event loop.
        What it would have to wait for, or that goes wrong, is left to the loop."""
        commit = self._journal.commit_now
        may = self._waiting and self._decided is None and not (self._suspended or self._inbox)
        if commit is None or not may:
            self._signal.set()
            return
        try:
            events, effects = self._decide(time.time())
            if self.machine.over or any(isinstance(effect, _CONSULTED) for effect in effects):
                self._decided = events, effects
                self._signal.set()
                return
            if events:
                commit(self.lease, events, barrier=self._needs_barrier(events))
            self._act(events, effects)
        except Exception as error:
            self._fault = error
        if self._fault is not None or self._replies or self.machine.parked or self._told_parked:
            self._signal.set()

    def _decide(self, now: float) -> tuple[list[Event], list[Effect]]:
        facts = self._facts
        while facts:
            facts.popleft()(now)
        for index, pid in self._pids.take():
            self.machine.attempt_running(index, pid, now)
        self.machine.admit(now)
        return self.machine.take()

    def _act(self, events: Sequence[Event], effects: Sequence[Effect]) -> None:
        if events:
            self.feed.publish(events)
        for effect in effects:
            self._perform(effect)

    def _needs_barrier(self, events: Sequence[Event]) -> bool:
        state = self.machine.state
        for event in events:
            if event.type == ATTEMPT_STARTING and state[event.step or ""].step.effects == "once":
                return True
        return False

    # Facts.

    def _fact(self, fact: Callable[[float], None]) -> None:
        self._facts.append(fact)
        self._signal.set()

    def _ended(self, index: int, number: int, work: ProcessWork | None, end: Exit | Result) -> None:
        """Called when an attempt's work has ended, whatever it was."""
        self._pids.discard(index)
        lost = isinstance(end, Exit) and end.cause == "lost"
        result, extension = self._what_came_of(index, number, work, end)

        def fact(now: float) -> None:
            ended, steps = self._extended(result, extension)
            self.machine.attempt_ended(index, ended, now, lost=lost)
            step = self.machine.state.steps[index]
            if steps and step.status == "succeeded":
                self.machine.extend(steps, f"step {step.step.id}", now)

        self._facts.append(fact)
        self._spawner.soon(self._turn)

    def _what_came_of(
        self, index: int, number: int, work: ProcessWork | None, end: Exit | Result
    ) -> tuple[Result, str | None]:
        """The result of an attempt that has ended, and the text of the steps it adds."""
        code = end.exit_code
        text = None
        try:
            if self._launcher.redactor:  # as it was written: `result` masks the file
                text = self._launcher.extension(index, number)
            result = self._launcher.result(index, number, work, end)
            if result.error is not None:
                return result, None
            if not self._launcher.redactor:
                text = self._launcher.extension(index, number)
        except OutputError as error:
            return Result(exit_code=code, error=str(error)), None
        except Exception as error:  # a kind is foreign code: its step answers for it
            log.exception("an attempt's end broke", redact=self.redact, run_id=self.lease.run_id)
            return Result(
                exit_code=code, error=broke(error, self.machine.profile_of(index).kind.name)
            ), None
        return result, text

    def _extended(self, result: Result, text: str | None) -> tuple[Result, Sequence[Step]]:
        """The result, and the steps it adds to the run as that stands now."""
        if text is None or not text.strip():
            return result, ()
        try:
            steps = self._read_steps(text, "$STOKER_EXTEND")
        except PlanError as error:
            refusal: str | None = str(error)
        except Exception as error:  # a kind is foreign code: its step answers for it
            log.exception("new steps cannot be read", redact=self.redact, run_id=self.lease.run_id)
            refusal = f"$STOKER_EXTEND: {broke(error)}"
        else:
            refusal = self.machine.exposed(steps)
            if refusal is None:
                return result, steps
        return Result(exit_code=result.exit_code, error=refusal), ()

    # Effects.

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Start):
            self._works.start(effect)
        elif isinstance(effect, Stop):
            self._works.stop(effect.step)
        elif isinstance(effect, Answered):
            question = self.machine.state.steps[effect.step].question
            waiting = self._answers.pop(effect.step, None)
            answer = question.answer if question is not None else None
            if waiting is not None and answer is not None and not waiting.done():
                waiting.set_result(answer)
        elif isinstance(effect, SetTimer):
            self._set_timer(effect)
        elif isinstance(effect, ClearTimers):
            for kind in effect.kinds:
                if timer := self._timers.pop((kind, effect.step), None):
                    timer.cancel()
        elif isinstance(effect, RecordFiles):
            self._group.create_task(self._gatekeeper.record_files(effect.step))

    def _set_timer(self, effect: SetTimer) -> None:
        kind, index = effect.kind, effect.step

        def fire() -> None:
            self._timers.pop((kind, index), None)
            self._fact(lambda now: self.machine.timer(kind, index, now))

        loop = asyncio.get_running_loop()
        self._timers[kind, index] = loop.call_later(effect.delay_sec, fire)

    # Commands.

    def obey(self, command: Command, now: float) -> Any:
        """Carry out a command. Raises `CommandRefused`, `PlanError`."""
        return obey(self.machine, self._read_steps, command, now)

    async def _read_inbox(self, now: float) -> None:
        for command in await self._journal.commands(self.lease.run_id):
            try:
                self.obey(command, now)
            except (CommandRefused, PlanError) as error:
                refusal = {"id": command.id, "command": command.kind, "error": str(error)}
                self.machine.note(COMMAND_REFUSED, refusal, now)
            self._applied.append(command.id)
        await self._gatekeeper.look_again()

    async def _end_stragglers(self) -> None:
        """End what steps left behind. Before the run settles: afterwards nobody would, if
        this engine were killed. Raises `LeaseLost`: they may be another engine's then."""
        prefix = f"{self._launcher.marker}/"
        if not await self._spawner.sweeper.finds(prefix):
            return
        if await self._journal.renew([self.lease]):
            raise LeaseLost(f"run {self.lease.run_id}: another engine has taken it over")
        await end_all(prefix)


def _reply(done: asyncio.Future[T], value: Any, error: Exception | None) -> None:
    if done.done():
        return  # nobody waits any more
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(value)
