"""What the server does with runs, apart from HTTP: one engine, one journal, and who asks.

Runs the server begins carry its state directory in their journaled options (`RunOptions.served`).
When a server starts, it goes on with the unfinished ones of its directory that no live engine
has; a second one finds their leases taken and leaves them alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.engine.ask import answer, ask, check
from stoker.engine.commands import CommandRefused
from stoker.engine.creation import require_secrets, stand_ins
from stoker.engine.engine import Engine
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.options import RunOptions
from stoker.engine.retention import forget
from stoker.engine.view import activity, read_run
from stoker.journal.base import (
    AttemptRow,
    CommandKind,
    Journal,
    JournalError,
    JournalTooNew,
    RunBusy,
    RunExists,
    RunOver,
    RunRow,
    UnknownRun,
)
from stoker.journal.events import APPROVAL_REQUESTED, ATTEMPT_SETTLED, RUN_SETTLED, Event
from stoker.log import get_logger
from stoker.plan import loader
from stoker.plan.errors import PlanError
from stoker.plan.inputs import resolve
from stoker.plan.loader import LoadedPlan
from stoker.plan.model import Plan
from stoker.process.logs import LogWatch
from stoker.server.bulletin import Bulletin
from stoker.server.deliveries import Deliveries
from stoker.server.hub import EVERYTHING, Hub
from stoker.server.meters import Meters
from stoker.server.problems import Refused, not_found
from stoker.server.settings import Settings
from stoker.server.tokens import Tokens
from stoker.steps.registry import kinds
from stoker.tasks.service import Tasks
from stoker.together import one_error
from stoker.wire.runs import RUN_ID

log = get_logger(__name__)

_RESUMED: Final = ("pending", "running", "paused")
_AGAIN_SEC: Final = 5.0
_RESTS: Final = (APPROVAL_REQUESTED, RUN_SETTLED)


class Sent(Struct, frozen=True):
    """A request to begin a run, known again when it comes again."""

    run_id: str
    digest: str
    """Of the request, keyed: it may hold secrets."""


class Service:
    """Everything requests need. Belongs to one event loop."""

    def __init__(
        self, settings: Settings, journal: Journal, engine: Engine, tokens: Tokens, tasks: Tasks
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.engine = engine
        self.tokens = tokens
        self.tasks = tasks
        self.stopping = asyncio.Event()
        self.started_at = time.time()
        self.deliveries = Deliveries(tasks.pulls)
        self.background: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What is done as long as it runs."""
        self.streams = 0
        """Open ones."""
        self.watch = LogWatch(asyncio.get_running_loop())
        self.bulletin = Bulletin(self.tasks.feed)
        self.meters = Meters(self)
        self.hub = Hub(journal, known=self._known, on_event=self.meters.count)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sees what happens in the journal, with what is in the `background`. Raises
        `JournalError`."""
        try:
            with one_error():
                async with asyncio.TaskGroup() as group:
                    await self.hub.begin()
                    await self.bulletin.begin()
                    does = (self.hub.run, self.bulletin.run, self.deliveries.run, *self.background)
                    doing = [group.create_task(one()) for one in does]
                    try:
                        yield
                    finally:
                        self.stopping.set()
                        for one in doing:
                            one.cancel()
        finally:
            self.watch.close()

    @property
    def driven(self) -> float:
        """How many runs this server drives."""
        return float(len(self.engine.handles()))

    def _known(self, run_id: str) -> int | None:
        handle = self.engine.handle(run_id)
        return None if handle is None else handle.state.sequence

    async def unless_stopping(self, done: Coroutine[Any, Any, Any], seconds: float) -> None:
        """Returns when it is done, after so many seconds, or when the server stops. Raises what
        it does."""
        waiting = [asyncio.ensure_future(one) for one in (done, self.stopping.wait())]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if waiting[0].done():
                waiting[0].result()
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.wait(waiting)

    async def ended(self, row: AttemptRow, after: int = 0) -> None:
        """Returns when an attempt of a step is over; `after`: a sequence before its end."""
        end = (ATTEMPT_SETTLED, row.step_id, row.attempt)
        async with aclosing(self.hub.events(row.run_id, after)) as feed:  # type: ignore[type-var]
            async for some in feed:
                if any((event.type, event.step, event.attempt) == end for event in some):
                    return

    async def at_rest(self, run_id: str) -> None:
        """Returns when a run is over, or waits for a person, itself or in what is nested in it.
        Raises `UnknownRun`."""
        async with aclosing(self.hub.all()) as feed:  # type: ignore[type-var]
            while True:
                standing = await read_run(self.journal, run_id)
                if standing.state.status in RUN_OVER or standing.asking:
                    return
                async for some in feed:  # from the call of `all` on
                    if any(one.event is None or one.event.type in _RESTS for one in some):
                        break

    # Files that requests name

    def confined(self, name: str, parameter: str) -> Path:
        """The file or directory a request names, without links. Raises `Refused` for one that is
        not inside a root, whether it is there or not."""
        roots = self.settings.roots
        if "\0" not in name:
            path = Path(os.path.realpath(roots[0] / name))
            if any(path.is_relative_to(root) for root in roots):
                return path
        raise Refused(
            403,
            "outside-roots",
            f"{parameter}: not inside a directory this server was given with --root",
        )

    async def load(
        self,
        plan: bytes | None,
        path: str | None,
        variables: Mapping[str, str],
        cwd: str,
    ) -> LoadedPlan:
        """The plan in a text or a file; found in `cwd` are the plan files its steps run. Raises
        `PlanError`, `Refused`."""
        if path is not None:
            file = self.confined(path, "path")
            if not file.is_file():
                raise not_found(f"no plan file {path!r}")
            return await asyncio.to_thread(
                loader.load, file, kinds=kinds(), variables=variables, cwd=cwd
            )
        return await asyncio.to_thread(
            loader.loads, plan or b"", kinds=kinds(), name="", variables=variables, cwd=cwd
        )

    # Runs

    def request(self, body: Struct, key: str, run_id: str | None) -> Sent:
        """A request to begin a run that may come again under the same `key`. Its run's id is made
        from the key, so that the journal itself refuses to begin it twice."""
        digest = hmac.digest(key.encode(), msgspec.json.encode(body, order="sorted"), "sha256")
        chosen = run_id or f"k-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
        return Sent(chosen, digest.hex())

    async def begun(self, sent: Sent) -> bool:
        """Whether the request has begun its run already. Raises `Refused` if another has."""
        try:
            row = await self.journal.run(sent.run_id)
        except UnknownRun:
            return False
        if not hmac.compare_digest(str(row.options.get("request")), sent.digest):
            raise Refused(
                422, "idempotency-key-reused", "this Idempotency-Key was used for another request"
            )
        return True

    async def start(
        self,
        loaded: LoadedPlan,
        *,
        inputs: Mapping[str, Any],
        options: RunOptions,
        run_id: str | None,
        sent: Sent | None,
    ) -> tuple[str, bool]:
        """Begin a run; its id, and whether it is new: `sent` may have come twice at once. Raises
        `PlanError`, `RunExists`, `Refused`."""
        if run_id is not None and (not re.fullmatch(RUN_ID[1:-1], run_id) or run_id == "last"):
            raise Refused(422, "invalid-request", f"run_id: expected {RUN_ID}, and not 'last'")
        options = msgspec.structs.replace(
            options,
            served=str(self.settings.directory),
            request=None if sent is None else sent.digest,
        )
        try:
            handle = await self.engine.start(
                loaded.plan,
                inputs=inputs,
                options=options,
                run_id=run_id if sent is None else sent.run_id,
                park=False,
            )
        except RunExists:
            if sent is None or not await self.begun(sent):
                raise
            return sent.run_id, False
        self.hub.look()
        return handle.run_id, True

    async def resume(self, run_id: str, inputs: Mapping[str, Any]) -> None:
        """Go on with a run here. Raises what `Engine.resume` raises."""
        await self.engine.resume(run_id, inputs=inputs, park=False)
        self.hub.look()

    async def command(
        self,
        run_id: str,
        kind: CommandKind,
        payload: dict[str, Any],
        *,
        by: str,
        inputs: Mapping[str, Any],
    ) -> Sequence[Event] | None:
        """Ask something of a run, whichever process drives it; one that nobody drives goes on
        here, but for a `pause`, which waits for its next resume (None). Else what has happened
        since. Raises `CommandRefused`, `RunOver`, `PlanError` (inputs), `UnknownRun`."""
        row = await self.journal.run(run_id)
        _refuse_if_over(row)
        await self._check(row, kind, payload)
        values = dict(inputs)
        if kind == "cancel":
            values = {**stand_ins(await self._plan(run_id), row), **values}
        idle = kind != "pause" and activity(row) in ("parked", "interrupted")
        if idle:
            # Before the request is durable: one that cannot be gone on with is not left behind.
            resolved = resolve(await self._plan(run_id), {**row.inputs, **values})
            require_secrets(row.options.get("secrets", ()), resolved)
        asked = await ask(self.journal, row, kind, payload, by=by)
        if asked.events is None and kind != "pause":
            try:
                await self.resume(run_id, values)
            except (RunBusy, RunOver):
                log.info("run was taken up elsewhere", run_id=run_id)
            asked = await answer(self.journal, row, kind, asked.number)
        self.hub.look()
        return asked.events

    async def _check(self, row: RunRow, kind: CommandKind, payload: Mapping[str, Any]) -> None:
        """What would be refused anyway is refused before it wakes a run."""
        if kind == "next" and not row.options.get("manual"):
            raise CommandRefused(f"run {row.run_id} is not manual: it releases its steps by itself")
        if kind not in ("approve", "reject", "resolve"):
            return
        standing, step_id = await read_run(self.journal, row.run_id), payload["step"]
        index = standing.state.graph.index.get(step_id)
        if index is None:
            raise not_found(f"no step {step_id!r} in run {row.run_id}")
        check(standing, kind, standing.state.steps[index])

    async def check_steps(self, run_id: str, steps: str | bytes) -> None:
        """Raises `PlanError` if they cannot be added to the run, and `UnknownRun`."""
        standing = await read_run(self.journal, run_id)
        cwd = str(standing.row.options.get("cwd", ""))
        loader.load_steps(steps, plan=standing.state.whole, kinds=kinds(), name="", cwd=cwd)

    async def extend(self, run_id: str, steps: str, *, by: str, inputs: Mapping[str, Any]) -> None:
        """Give a run new steps that are right; one that is over is reopened. Raises `PlanError`
        (inputs), `RunBusy`, `CommandRefused`, `UnknownRun`."""
        row = await self.journal.run(run_id)
        if row.status not in RUN_OVER and activity(row) in ("live", "remote"):
            asked = await ask(self.journal, row, "extend", {"steps": steps}, by=by)
            if asked.events is None:
                await self.resume(run_id, inputs)
                await answer(self.journal, row, "extend", asked.number)
        else:
            await self.engine.extend(run_id, steps, by=by, inputs=inputs, park=False)
        self.hub.look()

    async def delete(self, run_id: str) -> None:
        """Forget a run that is over, with its files. Raises `UnknownRun`, `RunBusy`."""
        handle = self.engine.handle(run_id)
        if handle is not None and handle.state.status in RUN_OVER:
            await handle.wait()  # it is about to be let go
        await forget(self.journal, self.settings.directory, run_id)

    async def _plan(self, run_id: str) -> Plan:
        return msgspec.json.decode(await self.journal.plan_json(run_id), type=Plan)

    # Its own runs, when it starts

    async def take_up(self) -> None:
        """Go on with the unfinished runs of this server's directory, oldest first. One whose
        dead engine's lease still holds is waited for. A journal that fails is tried again."""
        mine = str(self.settings.directory)
        while True:
            try:
                rows = await self.journal.runs(limit=EVERYTHING, status=_RESUMED)
                break
            except JournalError as error:
                log.warning("unfinished runs not read", error=str(error))
                await asyncio.sleep(_AGAIN_SEC)
        async with asyncio.TaskGroup() as group:
            for row in reversed(rows):
                if row.options.get("served") != mine or row.parent_run_id is not None:
                    continue
                wait = await self._take_up(row.run_id)
                if wait is not None:
                    group.create_task(self._take_up_later(row.run_id, wait))

    async def _take_up_later(self, run_id: str, wait: float | None) -> None:
        while wait is not None:
            await asyncio.sleep(wait + 0.5)
            wait = await self._take_up(run_id)

    async def _take_up(self, run_id: str) -> float | None:
        """Returns after how many seconds to try again, if it is any use."""
        try:
            await self.resume(run_id, {})
        except RunBusy as error:
            return error.lease_sec
        except RunOver:
            return None
        except (PlanError, CommandRefused, UnknownRun, JournalTooNew) as error:
            log.warning("run not resumed", run_id=run_id, error=str(error))
        except (JournalError, OSError) as error:  # or the disk is full
            log.warning("run not resumed yet", run_id=run_id, error=str(error))
            return _AGAIN_SEC
        else:
            log.info("run resumed", run_id=run_id)
        return None


def _refuse_if_over(row: RunRow) -> None:
    if row.status in RUN_OVER:
        raise RunOver(f"run {row.run_id} is over: it {row.status}")
