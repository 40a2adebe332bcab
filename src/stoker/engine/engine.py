"""The engine: any number of runs at once over one journal.

async with Engine(journal, directory, kinds) as engine:
    run = await engine.start(plan)
    async for event in run.events():
        ...
    outcome = await run.wait()
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from stoker.engine.attempt import Files, owner, realm
from stoker.engine.capacity import Capacity
from stoker.engine.commands import CommandRefused
from stoker.engine.creation import hidden, new_run, require_secrets, stored_plan
from stoker.engine.feed import Feed
from stoker.engine.handle import RunHandle
from stoker.engine.kept import keep
from stoker.engine.kinds import Kind, Opener
from stoker.engine.launch import Launcher
from stoker.engine.leases import Leases
from stoker.engine.lifecycle import RUN_OVER, STEP_OVER
from stoker.engine.machine import RunMachine
from stoker.engine.nested import end_abandoned, end_nested, run_nested
from stoker.engine.options import RunOptions
from stoker.engine.profile import demand, profile
from stoker.engine.registry import kind_of
from stoker.engine.run import Outcome, Run
from stoker.engine.state import RunState
from stoker.engine.uptodate import Fingerprints
from stoker.journal.base import Journal, Lease, RunOver
from stoker.journal.identity import current_engine
from stoker.log import get_logger
from stoker.plan.errors import PlanError, problem
from stoker.plan.inputs import Inputs, resolve
from stoker.plan.model import Plan, Step
from stoker.plan.template import as_text
from stoker.process.logs import LogBounds, LogWatch
from stoker.process.redact import Redactor
from stoker.process.spawner import Spawner
from stoker.process.tree import end_all, marked

T = TypeVar("T")

log = get_logger(__name__)

MAX_LOG_BYTES = 64 * 1024 * 1024


class Engine:
    """Starts, resumes and drives runs. Use as an async context manager: leaving it suspends
    what still runs, to be resumed later.

    `directory` is the state directory (`.stoker`), where logs and outputs go;
    `max_concurrency` bounds the steps of all runs together; `resources` are capacities of
    named resources (`cpu` and `memory` are the machine's unless given); of each log the
    newest part and the beginning are kept, `max_log_bytes` at most. What each of `observers`
    opens is told of every run that is driven, nested ones too; it is closed after the last.
    """

    def __init__(
        self,
        journal: Journal,
        directory: Path,
        kinds: Mapping[str, Kind[Any]],
        *,
        max_concurrency: int | None = None,
        resources: Mapping[str, float | str] | None = None,
        max_log_bytes: int = MAX_LOG_BYTES,
        observers: Sequence[Opener[Callable[[RunHandle], None]]] = (),
    ) -> None:
        self.journal = journal
        self._directory = directory.absolute()
        self._kinds = kinds
        self._identity = current_engine()
        self._capacity = Capacity(max_concurrency, {**_machine(), **dict(demand(resources or {}))})
        self._max_log_bytes = max_log_bytes
        self._runs: dict[str, RunHandle] = {}
        """Those that are being driven."""
        self._leases = Leases(journal, self._identity, self._runs)
        self._shared: dict[Opener[Any], asyncio.Future[Any]] = {}
        self._observers = observers
        self._observe: list[Callable[[RunHandle], None]] = []
        self._closing = asyncio.Event()
        self._stack = AsyncExitStack()
        self.spawner: Spawner
        """Starts the processes of all runs."""
        self._tasks: asyncio.TaskGroup

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        watch = LogWatch(loop)
        self._stack.callback(watch.close)
        bounds = LogBounds(
            watch, loop, limit=self._max_log_bytes, on_drop=_log_cut, on_refused=_log_unbounded
        )
        self._stack.callback(bounds.close)
        self.spawner = Spawner(loop, bounds=bounds)
        self._stack.callback(self.spawner.close)
        for opener in self._observers:
            self._observe.append(await self._stack.enter_async_context(opener(self)))
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        await self._stack.enter_async_context(self.journal.inbox(self._identity, self._wake_all))
        self._renewal = self._tasks.create_task(self._leases.keep())
        return self

    async def __aexit__(self, *error: object) -> None:
        handles = list(self._runs.values())
        for handle in handles:
            handle.run.suspend()
        try:
            await asyncio.gather(*(handle.wait() for handle in handles), return_exceptions=True)
        finally:
            self._closing.set()
            self._renewal.cancel()
            await self._stack.aclose()

    async def start(
        self,
        plan: Plan,
        *,
        inputs: Mapping[str, Any] | None = None,
        options: RunOptions | None = None,
        run_id: str | None = None,
        park: bool = True,
        reuse: Mapping[str, Mapping[str, Any]] | None = None,
        expanded: Mapping[str, Sequence[Step]] | None = None,
        parent: tuple[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> RunHandle:
        """Begin a run of a validated plan (`stoker.plan.loader`).

        `park`: the run's task ends with outcome `waiting` when only a person can make it
        go on; False: it stays and waits. `reuse`: outputs by id of steps that count as
        succeeded; `expanded`: children of steps that need not be expanded any more, by id.
        `secrets`: values to hide beside those of secret inputs, also where inputs hold them.
        Raises `PlanError` for wrong inputs, `RunExists`.
        """
        options = options or RunOptions(cwd=str(Path.cwd()))
        resolved = hidden(resolve(plan, inputs or {}), (), secrets)
        created = new_run(
            plan, resolved, options, run_id=run_id, parent=parent, reuse=reuse, expanded=expanded
        )
        state = RunState(created.run_id, plan, created.opening)
        # What can fail, before it exists.
        launcher = self._launcher(state, resolved, options, secrets)
        await self.journal.create_run(created)
        lease = await self._leases.take(created.run_id)
        try:
            return await self._launch(state, lease, launcher, resolved, options, park=park)
        except BaseException:
            await self._leases.give_back(lease)
            raise

    async def resume(
        self,
        run_id: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        park: bool = True,
        secrets: Sequence[str] = (),
    ) -> RunHandle:
        """Go on with a run where its journal stands. Secret inputs must be given again;
        `secrets` as for `start`.

        Raises `UnknownRun`, `RunBusy` (another engine has it), `RunOver`, `PlanError` (inputs).
        """
        if handle := self._runs.get(run_id):
            return handle
        return await self._go_on(run_id, None, "", inputs=inputs, park=park, secrets=secrets)

    async def extend(
        self,
        run_id: str,
        steps: str,
        *,
        by: str = "api",
        inputs: Mapping[str, Any] | None = None,
        park: bool = True,
        secrets: Sequence[str] = (),
    ) -> RunHandle:
        """Give a run new steps, a JSON or YAML document, and go on with it, wherever it stands:
        under way, suspended or over. One that was over is reopened; what it was canceled or
        aborted for holds no more, and `max_run_duration_sec` counts anew.

        Raises `PlanError` (steps, inputs), `CommandRefused`, `UnknownRun`, `RunBusy`.
        """
        if handle := self._runs.get(run_id):
            await handle.extend(steps, by=by)
            return handle
        handle = await self._go_on(run_id, steps, by, inputs=inputs, park=park, secrets=secrets)
        await handle.begun()
        return handle

    async def _go_on(
        self,
        run_id: str,
        steps: str | None,
        by: str,
        *,
        inputs: Mapping[str, Any] | None,
        park: bool,
        secrets: Sequence[str],
    ) -> RunHandle:
        row = await self.journal.run(run_id)
        if steps is None:
            _refuse_if_over(run_id, row.status)
        lease = await self._leases.take(run_id)
        try:
            plan = await stored_plan(self.journal, run_id)
            options = msgspec.convert(row.options, RunOptions)
            resolved = resolve(plan, {**row.inputs, **(inputs or {})})
            resolved = hidden(resolved, options.secrets, secrets)
            require_secrets(options.secrets, resolved)
            state = RunState(run_id, plan, await self.journal.events(run_id))
            if steps is None:
                _refuse_if_over(run_id, state.status)  # since its row was read
                more: Sequence[Step] = ()
            else:
                more = self._read_steps(state, options.cwd, steps, "extension")
            _require_kinds(state, self._kinds)

            def adopted(index: int) -> bool:
                step = state.steps[index].step
                return profile(plan, step, self._kinds).on_interrupt == "adopt"

            await self._end_survivors(state)
            launcher = self._launcher(state, resolved, options, secrets)
            launcher.mask_interrupted(adopted)
            await end_abandoned(self, state, adopted, launcher.redactor.secrets)
            return await self._launch(
                state, lease, launcher, resolved, options, park=park, more=more, by=by
            )
        except BaseException:
            await self._leases.give_back(lease)
            raise

    run = start

    def handle(self, run_id: str) -> RunHandle | None:
        """A run this engine is driving."""
        return self._runs.get(run_id)

    def handles(self) -> list[RunHandle]:
        """The runs this engine is driving."""
        return list(self._runs.values())

    async def shared(self, opener: Opener[T]) -> T:
        """What `opener` opens on this engine: opened when it is first asked for, the same for
        all who ask, closed with the engine. Raises what opening it raises."""
        if opener not in self._shared:
            ready = self._shared[opener] = asyncio.get_running_loop().create_future()
            self._tasks.create_task(self._hold(opener, ready))
        opened: T = await asyncio.shield(self._shared[opener])
        return opened

    async def _hold(self, opener: Opener[T], ready: asyncio.Future[T]) -> None:
        try:
            async with opener(self) as opened:
                ready.set_result(opened)
                await self._closing.wait()
        except Exception as error:
            if ready.done():
                raise
            del self._shared[opener]  # the next who asks tries again
            ready.set_exception(error)

    def _launcher(
        self, state: RunState, resolved: Inputs, options: RunOptions, secrets: Sequence[str]
    ) -> Launcher:
        inputs = resolved.values
        state.plan_dir = options.plan_dir or options.cwd
        files = Files(self._directory, state.run_id)
        files.create(owner(self.journal))
        return Launcher(
            state,
            files,
            inputs=inputs,
            env=os.environ,
            cwd=options.cwd,
            redactor=_redactor(resolved, secrets),
            run_plan=partial(run_nested, self),
            end_nested=partial(end_nested, self),
            keep=partial(keep, self),
            shared=self.shared,
            execute=self._execute,
            run=lambda: self._runs[state.run_id].run,
        )

    async def _launch(
        self,
        state: RunState,
        lease: Lease,
        launcher: Launcher,
        resolved: Inputs,
        options: RunOptions,
        *,
        park: bool,
        more: Sequence[Step] = (),
        by: str = "engine",
    ) -> RunHandle:
        plan, run_id, inputs = state.plan, state.run_id, resolved.values
        self._capacity.declare(dict(demand(plan.globals.resources)))
        machine = RunMachine(
            state,
            profile=lambda step: profile(plan, step, self._kinds),
            describe=launcher.describe,
            capacity=self._capacity,
            wake=lambda: self._wake(run_id),
            inputs=inputs,
            env=launcher.env,
            width=options.max_concurrency or plan.globals.max_concurrency or processors(),
            redact=launcher.redactor.text if launcher.redactor else None,
            manual=options.manual,
            durations=await self.journal.durations(plan.plan_id),
        )
        if (refusal := machine.exposed(more)) is not None:
            raise CommandRefused(refusal)
        run = Run(
            machine=machine,
            launcher=launcher,
            lease=lease,
            journal=self.journal,
            spawner=self.spawner,
            fingerprints=Fingerprints(self._directory / "fingerprints", plan.plan_id),
            read_steps=lambda text, name: self._read_steps(state, options.cwd, text, name),
            feed=Feed(run_id, self.journal, state.sequence),
            park=park,
            more=more,
            by=by,
        )
        handle = self._runs[run_id] = RunHandle(run)
        self._tasks.create_task(self._drive(run, handle), name=f"run {run_id}")
        for observe in self._observe:
            observe(handle)
        return handle

    def _read_steps(self, state: RunState, cwd: str, text: str, name: str) -> Sequence[Step]:
        """New steps for a run, validated against all it has. Raises `PlanError`."""
        from stoker.plan.loader import load_steps

        return load_steps(text, name=name, plan=state.whole, kinds=self._kinds, cwd=cwd)

    async def _drive(self, run: Run, handle: RunHandle) -> None:
        run_id = run.lease.run_id
        ended: Outcome | Exception = Outcome(run_id, "suspended", "the engine was closed")
        try:
            ended = await run.drive(self._identity.engine_id)
        except Exception as error:
            # One run's trouble is not another's: whoever waits for this run gets it.
            log.exception("run cannot go on", redact=run.redact, run_id=run_id)
            ended = error
        finally:
            del self._runs[run_id]
            try:
                await self._leases.give_back(run.lease)
            finally:
                handle.end(ended)

    async def _end_survivors(self, state: RunState) -> None:
        """End processes a dead engine left behind, but for those that are to be adopted."""
        run = f"{realm(self._directory)}/{state.run_id}"
        adopted = {
            f"{run}/{step.step.id}/{step.number}"
            for step in state.steps
            if step.status == "running"
            and profile(state.plan, step.step, self._kinds).on_interrupt == "adopt"
        }
        left = {survivor.marker for survivor in marked(f"{run}/")} - adopted
        await asyncio.gather(*(end_all(marker) for marker in left))

    @property
    def directory(self) -> Path:
        """The state directory, absolute."""
        return self._directory

    @property
    def kinds(self) -> Mapping[str, Kind[Any]]:
        """Those that its plans may name."""
        return self._kinds

    async def _execute(self, spec: Any, redactor: Redactor) -> Any:
        from stoker.process.run import run

        return await run(self.spawner, spec, redactor)

    def _wake(self, run_id: str) -> None:
        if handle := self._runs.get(run_id):
            handle.run.wake()

    def _wake_all(self) -> None:
        for handle in self._runs.values():
            handle.run.look_at_inbox()


def _refuse_if_over(run_id: str, status: str) -> None:
    if status in RUN_OVER:
        raise RunOver(f"run {run_id} is over: it {status}")


def _require_kinds(state: RunState, kinds: Mapping[str, Kind[Any]]) -> None:
    """Raises `PlanError` for steps still to run whose kind is not installed any more."""
    missing = [
        problem(
            ("steps", index),
            f"step {step.step.id!r} is of type {name!r}, which is not installed here; "
            "install the package the run was begun with",
        )
        for index, step in enumerate(state.steps)
        if step.status not in STEP_OVER and (name := kind_of(step.step)[0]) not in kinds
    ]
    if missing:
        raise PlanError(missing)


def _redactor(inputs: Inputs, secrets: Sequence[str]) -> Redactor:
    values = inputs.values
    texts = [text for name in inputs.secrets for text in _texts(values[name])]
    return Redactor([*texts, *secrets])


def _texts(value: Any) -> Iterator[str]:
    """A secret value as text, and so all there is in it: templates can name a part."""
    if value:
        yield as_text(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def _machine() -> dict[str, float]:
    """Capacities of the resources every machine has: processors, and bytes of memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": float(processors()), "memory": float(memory)}


def _log_cut(path: str, offset: int, size: int) -> None:
    log.info("log cut", path=path, offset=offset, dropped=size)


def _log_unbounded(path: str, error: OSError) -> None:
    log.warning("log cannot be bounded", path=path, error=str(error))
