"""One run at work: the loop that feeds facts to the machine, makes its events durable, and
only then carries out its effects.

Everything that happens in one turn of the event loop (exits, timers, commands) is one
tick: settled together, journaled in one transaction, acted on after it. So group commit
costs no waiting, and a start is durable before its process exists.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from stoker.engine.circuits import Circuits
from stoker.engine.effects import (
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
from stoker.engine.feed import Feed
from stoker.engine.kinds import ProcessWork, Result, StepFailed
from stoker.engine.launch import Launcher
from stoker.engine.machine import RunMachine
from stoker.engine.outputs import OutputError
from stoker.engine.uptodate import Fingerprints
from stoker.journal.base import Command, Journal, Lease, LeaseLost
from stoker.journal.events import ATTEMPT_STARTING, COMMAND_REFUSED, Event
from stoker.log import get_logger
from stoker.plan.errors import PlanError
from stoker.plan.expression import EvaluationError, ExpressionError
from stoker.plan.model import Step
from stoker.process.redact import Redactor
from stoker.process.spawner import Child, Spawner, SpawnError
from stoker.process.spec import Exit
from stoker.process.tree import end_all, marked

log = get_logger(__name__)

T = TypeVar("T")

_PID_DELAY_SEC = 0.01
_KEEPER_DELAY_SEC = 0.01


class Outcome(Struct, frozen=True):
    """How a run stands when its engine has nothing more to do for it."""

    run_id: str
    status: Literal["succeeded", "failed", "canceled", "quarantined", "waiting", "suspended"]
    """`waiting`: for a person; `suspended`: the engine was closed. Both can be resumed."""
    reason: str | None = None


class ReadSteps(Protocol):
    """Reads and validates new steps for a run. Raises `PlanError`."""

    def __call__(self, text: str, name: str) -> Sequence[Step]: ...


class CommandRefused(Exception):
    """What was asked of a run makes no sense as it stands."""


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
        circuits: Circuits,
        fingerprints: Fingerprints,
        read_steps: ReadSteps,
        redactor: Redactor,
        feed: Feed,
        park: bool,
    ) -> None:
        self.machine = machine
        self.feed = feed
        self.lease = lease
        self._launcher = launcher
        self._journal = journal
        self._spawner = spawner
        self._circuits = circuits
        self._fingerprints = fingerprints
        self._read_steps = read_steps
        self._redactor = redactor
        self._park = park
        self.on_parked: Callable[[bool], None] | None = None
        """Told when the run begins or ceases to wait for nothing but a person."""
        self._told_parked = False
        self._facts: deque[Callable[[float], None]] = deque()
        self._signal = asyncio.Event()
        self._children: dict[int, Child] = {}
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self._timers: dict[tuple[TimerKind, int], asyncio.TimerHandle] = {}
        self._wanted_locks: dict[int, None] = {}
        self._inbox = True
        self._applied: list[int] = []
        self._pids: dict[int, int] = {}
        self._pids_due = False
        self._replies: list[Callable[[], None]] = []
        self._kept: set[int] = set()
        """Steps whose process has a keeper and outlives this engine."""
        self._suspended = False
        self._drained: asyncio.Future[None] | None = None
        self._group: asyncio.TaskGroup

    # What others call.

    def wake(self) -> None:
        """Look again: capacity may be free."""
        self._signal.set()

    def look_at_inbox(self) -> None:
        """There may be commands, or a lock may be free."""
        self._inbox = True
        self._signal.set()

    def suspend(self) -> None:
        """Stop driving; what has no keeper is ended, and a later resume goes on."""
        self._suspended = True
        self._signal.set()

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
            self.machine.dormant[index] = run_id
        else:
            self.machine.dormant.pop(index, None)
        self._signal.set()

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

        Raises `JournalError` (and `LeaseLost`) when decisions cannot be made durable; the
        run's processes are ended then, and the journal says what a resume needs.
        """
        try:
            async with asyncio.TaskGroup() as self._group:
                try:
                    await self._loop(engine_id)
                    outcome = self._outcome()
                finally:
                    self._suspended = True  # ends from here on are nobody's to journal
                for task in self._tasks.values():
                    task.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await self._end_processes()
            for timer in self._timers.values():
                timer.cancel()
            self.feed.close()
        return outcome

    async def _loop(self, engine_id: str) -> None:
        self.machine.begin(time.time(), engine=engine_id)
        while not self._suspended:
            await self._tick()
            if self.machine.over or self._parked():
                return
            if not self._facts and not self._inbox:
                await self._signal.wait()
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
        for index, run_id in self.machine.dormant.items():
            waiting.append(f"{state.steps[index].step.id} (for nested run {run_id})")
        return Outcome(state.run_id, "waiting", ", ".join(waiting) or "for the next batch")

    async def _tick(self) -> None:
        machine = self.machine
        now = time.time()
        if self._inbox:
            self._inbox = False
            await self._read_inbox(now)
        facts = self._facts
        while facts:
            facts.popleft()(now)
        if self._pids_due:
            self._pids_due = False
            for index, pid in self._pids.items():
                machine.attempt_running(index, pid, now)
            self._pids.clear()
        machine.admit(now)
        events, effects = machine.take()
        if machine.over:
            await self._end_stragglers()
        if events or self._applied:
            await self._commit(events)
        for effect in effects:
            self._perform(effect)
        for effect in effects:
            if isinstance(effect, Ask | ReleaseLocks | ReportTool):
                await self._consult(effect)
        for reply in self._replies:
            reply()
        self._replies.clear()

    async def _commit(self, events: Sequence[Event]) -> None:
        steps = self.machine.state
        barrier = any(
            event.type == ATTEMPT_STARTING and steps[event.step or ""].step.effects == "once"
            for event in events
        )
        await self._journal.commit(self.lease, events, applied=self._applied, barrier=barrier)
        self._applied.clear()
        if events:
            self.feed.publish(events)

    # Facts.

    def _fact(self, fact: Callable[[float], None]) -> None:
        self._facts.append(fact)
        self._signal.set()

    def _ended(self, index: int, number: int, work: ProcessWork | None, end: Exit | Result) -> None:
        """Called when an attempt's work has ended, whatever it was."""
        self._children.pop(index, None)
        self._pids.pop(index, None)
        self._kept.discard(index)
        if self._suspended:
            if self._drained is not None and not self._children:
                self._drained.set_result(None)
                self._drained = None
            return
        lost = isinstance(end, Exit) and end.cause == "lost"
        result, steps = self._what_came_of(index, number, work, end)

        def fact(now: float) -> None:
            self.machine.attempt_ended(index, result, now, lost=lost)
            if steps:
                source = self.machine.state.steps[index].step.id
                self.machine.extend(steps, f"step {source}", now)

        self._fact(fact)

    def _what_came_of(
        self, index: int, number: int, work: ProcessWork | None, end: Exit | Result
    ) -> tuple[Result, Sequence[Step]]:
        """The result of an attempt that has ended, and the steps it adds to the run."""
        code = end.exit_code
        try:
            result = self._launcher.result(index, number, work, end)
            text = None if result.error else self._launcher.extension(index, number)
            steps = self._read_steps(text, "$STOKER_EXTEND") if text and text.strip() else ()
        except OutputError as error:
            return Result(exit_code=code, error=str(error)), ()
        except PlanError as error:
            return Result(exit_code=code, error=f"$STOKER_EXTEND: {error}"), ()
        except Exception as error:  # a kind is foreign code: its step answers for it
            log.exception("an attempt's end broke", run_id=self.lease.run_id)
            return Result(exit_code=code, error=f"{type(error).__name__}: {error}"), ()
        return result, steps

    # Effects.

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Start):
            self._start(effect)
        elif isinstance(effect, Stop):
            self._stop(effect.step)
        elif isinstance(effect, SetTimer):
            self._set_timer(effect)
        elif isinstance(effect, ClearTimers):
            for kind in effect.kinds:
                if timer := self._timers.pop((kind, effect.step), None):
                    timer.cancel()
        elif isinstance(effect, RecordFiles):
            self._task(self._record_files(effect.step))

    def _start(self, start: Start) -> None:
        index, number = start.step, start.number
        try:
            profile = self.machine.profile_of(index)
            work = self._launcher.begin(index, number, profile, resumed=start.resumed)
            if not isinstance(work, ProcessWork):
                self._carry(index, number, work)
                return
            on_exit = partial(self._ended, index, number, work)
            if start.resumed:
                self._adopt(index, number, on_exit)
                return
            child = self._spawner.spawn(work.spec, on_exit, self._redactor)
            if work.spec.keeper_dir is not None:
                self._kept.add(index)
        except (StepFailed, SpawnError) as error:
            self._ended(index, number, None, Result(exit_code=error.exit_code, error=str(error)))
        except (EvaluationError, ExpressionError, OSError) as error:
            self._ended(index, number, None, Result(error=str(error)))
        except Exception as error:  # a kind is foreign code: its step answers for it
            log.exception("kind of step broke", run_id=self.lease.run_id)
            self._ended(index, number, None, Result(error=f"{type(error).__name__}: {error}"))
        else:
            self._children[index] = child
            self._note_pid(index, child.pid)

    def _note_pid(self, index: int, pid: int) -> None:
        """Have the pid journaled, soon: a short step ends before, and saves the entry."""
        if not self._pids:
            asyncio.get_running_loop().call_later(_PID_DELAY_SEC, self._journal_pids)
        self._pids[index] = pid

    def _journal_pids(self) -> None:
        self._pids_due = bool(self._pids)
        self._signal.set()

    def _adopt(self, index: int, number: int, on_exit: Callable[[Exit], None]) -> None:
        found = self._spawner.adopt(self._launcher.keeper(index, number), on_exit)
        if found is None:
            self._tasks[index] = self._task(self._seek(index, number, on_exit))
        else:
            self._found(index, found, on_exit)

    def _found(self, index: int, found: Child | Exit, on_exit: Callable[[Exit], None]) -> None:
        if isinstance(found, Exit):
            on_exit(found)
            return
        self._children[index] = found
        self._kept.add(index)
        self._note_pid(index, found.pid)

    async def _seek(self, index: int, number: int, on_exit: Callable[[Exit], None]) -> None:
        """No word of a keeper: it was being started when the engine died, or it is gone, but
        not perhaps what it kept."""
        from stoker.process.keeper import has_begun

        marker = self._launcher.marker_of(index, number)
        place = self._launcher.keeper(index, number)
        found: Child | Exit | None
        try:
            while not has_begun(place) and marked(marker):  # noqa: ASYNC110 - nobody's child
                await asyncio.sleep(_KEEPER_DELAY_SEC)
            found = self._spawner.adopt(place, on_exit)
            if found is None:
                await end_all(marker)
        except asyncio.CancelledError:
            if self._suspended:
                raise
            await end_all(marker)
            found = Exit(cause="stopped")
        self._tasks.pop(index, None)
        self._found(index, found or Exit(cause="lost"), on_exit)

    def _carry(self, index: int, number: int, work: Coroutine[Any, Any, Result]) -> None:
        task = self._tasks[index] = self._group.create_task(self._result_of(work))

        def carried(task: asyncio.Task[Result]) -> None:
            self._tasks.pop(index, None)
            if task.cancelled():
                work.close()  # stopped before it had begun, perhaps
                result = Result(error="canceled")
            else:
                result = task.result()
            self._ended(index, number, None, result)

        task.add_done_callback(carried)

    async def _result_of(self, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            return await work
        except StepFailed as error:
            return Result(exit_code=error.exit_code, error=str(error))
        except Exception as error:  # a kind is foreign code: its step answers for it
            log.exception("kind of step broke", run_id=self.lease.run_id)
            return Result(error=f"{type(error).__name__}: {error}")

    def _stop(self, index: int) -> None:
        if child := self._children.get(index):
            child.stop()
        elif task := self._tasks.get(index):
            # Not before it has begun: what it goes on with after a crash is its to end.
            asyncio.get_running_loop().call_soon(task.cancel)

    def _set_timer(self, effect: SetTimer) -> None:
        kind, index = effect.kind, effect.step

        def fire() -> None:
            self._timers.pop((kind, index), None)
            self._fact(lambda now: self.machine.timer(kind, index, now))

        loop = asyncio.get_running_loop()
        self._timers[kind, index] = loop.call_later(effect.delay_sec, fire)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)

    async def _consult(self, effect: Effect) -> None:
        """Effects that ask or tell the journal, or read files."""
        if isinstance(effect, Ask):
            if effect.gate == "files":
                self._task(self._check_files(effect.step))
            elif effect.gate == "locks":
                self._wanted_locks[effect.step] = None
                await self._claim(effect.step)
            else:
                await self._ask_circuit(effect.step)
        elif isinstance(effect, ReleaseLocks):
            self._wanted_locks.pop(effect.step, None)
            step = self.machine.state.steps[effect.step].step
            await self._journal.release_locks(self.lease, step.id)
        elif isinstance(effect, ReportTool):
            await self._report_tool(effect)

    async def _check_files(self, index: int) -> None:
        found = None
        try:
            step, cwd = self._launcher.filled_in(index)
            found = await asyncio.to_thread(self._fingerprints.fresh, step, cwd)
        except (OSError, EvaluationError) as error:
            step = self.machine.state.steps[index].step
            log.warning("cannot read a step's files", step=step.id, error=str(error))
        if found is None:
            self._fact(lambda now: self.machine.gate(index, "files", None, now))
        else:
            values = found.values
            self._fact(lambda now: self.machine.up_to_date(index, values, now))

    async def _record_files(self, index: int) -> None:
        step, values = self.machine.state.steps[index].step, self.machine.state.steps[index].outputs
        try:
            step, cwd = self._launcher.filled_in(index)
            await asyncio.to_thread(self._fingerprints.record, step, cwd, dict(values))
        except (OSError, EvaluationError) as error:
            log.warning("cannot remember a step's files", step=step.id, error=str(error))

    async def _claim(self, index: int) -> None:
        step = self.machine.state.steps[index].step
        try:
            locks = self._launcher.locks(index)
        except EvaluationError as error:
            self._wanted_locks.pop(index, None)
            reason = f"locks: {error}"
            self._fact(lambda now: self.machine.gate(index, "locks", reason, now))
            return
        if await self._journal.claim_locks(self.lease, step.id, locks):
            self._wanted_locks.pop(index, None)
            self._fact(lambda now: self.machine.gate(index, "locks", None, now))

    async def _ask_circuit(self, index: int) -> None:
        breaker = self.machine.state.plan.globals.circuit_breaker
        assert breaker is not None  # noqa: S101 - only a breaker makes the machine ask
        tool = self.machine.profile_of(index).tool
        answer = await self._circuits.admit(tool, breaker, self._who(index), time.time())
        self._fact(lambda now: self.machine.gate(index, "circuit", answer, now))

    async def _report_tool(self, report: ReportTool) -> None:
        breaker = self.machine.state.plan.globals.circuit_breaker
        assert breaker is not None  # noqa: S101 - see above
        await self._circuits.report(
            report.tool,
            breaker,
            self._who(report.step),
            succeeded=report.succeeded,
            now=time.time(),
        )

    def _who(self, index: int) -> str:
        return f"{self.lease.run_id}/{self.machine.state.steps[index].step.id}"

    # Commands.

    async def _read_inbox(self, now: float) -> None:
        for command in await self._journal.commands(self.lease.run_id):
            try:
                self.obey(command, now)
            except (CommandRefused, PlanError) as error:
                refusal = {"id": command.id, "command": command.kind, "error": str(error)}
                self.machine.note(COMMAND_REFUSED, refusal, now)
            self._applied.append(command.id)
        for index in list(self._wanted_locks):
            await self._claim(index)

    def obey(self, command: Command, now: float) -> Any:
        """Carry out a command. Raises `CommandRefused`, `PlanError`."""
        machine, payload = self.machine, command.payload
        if command.kind == "cancel":
            machine.cancel(str(payload.get("reason") or f"canceled by {command.by}"), now)
        elif command.kind == "pause":
            machine.pause(now, payload.get("reason"))
        elif command.kind == "unpause":
            machine.unpause(now)
        elif command.kind == "next":
            return machine.advance(now)
        elif command.kind == "extend":
            steps = self._read_steps(str(payload["steps"]), str(payload.get("name", "extension")))
            machine.extend(steps, command.by, now)
        else:
            self._answer(command, now)
        return None

    def _answer(self, command: Command, now: float) -> None:
        payload, step_id = command.payload, str(command.payload.get("step"))
        index = self.machine.state.graph.index.get(step_id)
        if index is None:
            raise CommandRefused(f"no step {step_id!r} in run {command.run_id}")
        comment = str(payload.get("comment") or "")
        if command.kind == "resolve":
            refusal = self.machine.resolve(index, payload["outcome"], comment, command.by, now)
        else:
            refusal = self.machine.decide(index, command.kind, comment, command.by, now)
        if refusal is not None:
            raise CommandRefused(refusal)

    # The end.

    async def _end_processes(self) -> None:
        """End what still runs and was not meant to outlive the engine."""
        for index in self._kept:
            self._children.pop(index, None)
        for child in self._children.values():
            child.stop()
        if self._children:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    async def _end_stragglers(self) -> None:
        """End what steps left behind. Before the run settles: afterwards nobody would, if
        this engine were killed. Raises `LeaseLost`: they may be another engine's then."""
        prefix = f"{self._launcher.marker}/"
        if not marked(prefix):
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
