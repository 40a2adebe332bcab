"""Groups of operations from Python: plans of them, what is to begin next, and what came of it.

async with stoker.open_engine() as engine:
    forge = ForgeOrchestrator(engine, Path("chains.toml"))
    plan = await forge.create_plan(groups)
    await forge.next_groups(plan)
    async for result in forge.subscribe_results(plan):
        print(result.description, result.inner)

The engine does the work: a plan is a run, a group a step of it, and the journal all that is known.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import msgspec

from stoker.chains import reading, results
from stoker.chains.errors import ChainError, UnknownPlan
from stoker.chains.group import (
    Batch,
    ExecutionPlan,
    GroupReceipt,
    GroupResult,
    OperationGroup,
    counted,
)
from stoker.chains.load import FILE, keep
from stoker.chains.log import log
from stoker.chains.plan import PREFIX, document, group_of, more, new_plan_id, settings_of
from stoker.chains.settings import Settings
from stoker.chains.workshop import Workshop, opened
from stoker.engine.commands import CommandRefused
from stoker.engine.creation import stored_plan
from stoker.engine.engine import Engine
from stoker.engine.follow import batches
from stoker.engine.handle import RunHandle
from stoker.engine.lifecycle import STEP_OVER
from stoker.engine.options import RunOptions
from stoker.engine.state import RunState
from stoker.journal.base import RunBusy, RunOver, UnknownRun
from stoker.journal.events import STEP_SETTLED, Event, RunStatus
from stoker.plan.loader import loads

if TYPE_CHECKING:
    from stoker.chains.broadcast.broadcaster import Broadcaster
    from stoker.chains.broadcast.describe import Outgoing


class ForgeOrchestrator:
    """Any number of plans on one engine."""

    def __init__(
        self,
        engine: Engine,
        settings: Path | Settings | None = None,
        *,
        served: str | None = None,
    ) -> None:
        """`settings`: a file, or what would be in one; default: `chains.toml` of the state
        directory. Files are read when a plan first needs them. `served`: see `RunOptions`."""
        self._engine = engine
        self._served = served
        if isinstance(settings, Settings):
            settings = keep(settings, engine.directory)
        self._settings = (settings or engine.directory / FILE).absolute()

    # Plans.

    async def create_plan(
        self, groups: Sequence[OperationGroup] | Any, *, automatic: bool = False
    ) -> str:
        """A plan of groups, or of a document that holds them; its id. Sources are fetched, and
        scripts compiled, from now on. `automatic`: groups begin by themselves as soon as those
        they depend on are done; else `next_groups` has them begin. Raises `BadGroups`, `BadFile`,
        with nothing created."""
        read = _read(groups)
        await self._fetch(read, self._settings)
        plan_id = new_plan_id()
        plan = loads(document(plan_id, read, self._settings), kinds=self._engine.kinds).plan
        await self._engine.start(
            plan,
            run_id=plan_id,
            options=RunOptions(
                cwd=str(self._engine.directory), manual=not automatic, served=self._served
            ),
            park=False,
        )
        log.info("plan created", plan=plan_id, groups=len(read))
        return plan_id

    async def set_execution_plan(
        self, groups: Sequence[OperationGroup] | Any, *, automatic: bool = False
    ) -> ExecutionPlan:
        """As `create_plan`, in the shape in which tools answer."""
        plan_id = await self.create_plan(groups, automatic=automatic)
        total = len((await self._state(plan_id)).steps)
        return ExecutionPlan(True, f"Execution plan set with {counted(total)}", total, plan_id)

    async def extend_plan(self, plan_id: str, groups: Sequence[OperationGroup] | Any) -> int:
        """Append groups, which may depend on any of the plan's; how many it has now. A plan that
        was over goes on. Raises `BadGroups`, `UnknownPlan`, `RunBusy`."""
        state = await self._state(plan_id)
        there = [group_of(step.step) for step in state.steps]
        added = _read(groups, there)
        settings = settings_of(state)
        await self._fetch(added, settings)
        steps = more(added, len(there), settings)
        await self._engine.extend(plan_id, steps, park=False)
        return len(there) + len(added)

    async def cancel(self, plan_id: str, reason: str = "canceled") -> None:
        """End what is under way and begin nothing more; nothing if it is over. Raises
        `UnknownPlan`, `RunBusy`."""
        handle = await self._handle(plan_id)
        if handle is not None:
            try:
                await handle.cancel(reason)
            except CommandRefused:  # it has ended meanwhile
                return
            await handle.wait()

    async def resume(self) -> list[str]:
        """Go on with all plans, and broadcasts of plans, that were under way when the engine before
        this one ended; their ids. Those that a live engine has are left to it."""
        from stoker.chains.broadcast.broadcaster import PREFIX as BROADCAST

        found: list[str] = []
        before: tuple[float, str] | None = None
        open_: tuple[RunStatus, ...] = ("pending", "running", "paused")
        while rows := await self._engine.journal.runs(status=open_, before=before):
            before = (rows[-1].created_at, rows[-1].run_id)
            for row in rows:
                if row.run_id.startswith((PREFIX, BROADCAST)) and row.parent_run_id is None:
                    try:
                        await self._engine.resume(row.run_id, park=False)
                    except (RunBusy, RunOver):
                        continue
                    found.append(row.run_id)
        return found

    # Groups.

    @overload
    async def next_groups(
        self, plan_id: str, *, wait: Literal[False] = False
    ) -> list[GroupReceipt]: ...

    @overload
    async def next_groups(self, plan_id: str, *, wait: Literal[True]) -> Batch: ...

    async def next_groups(self, plan_id: str, *, wait: bool = False) -> list[GroupReceipt] | Batch:
        """Have all groups begin that can; receipts for them, at once. `wait`: until they, and those
        that were under way, are over, then the results. Raises `UnknownPlan`, `RunBusy`."""
        handle = await self._handle(plan_id)
        if handle is None:
            state = await self._state(plan_id)
            return Batch((), _remaining(state)) if wait else []
        over = _over(handle.state)
        try:
            receipts = await handle.next()
        except CommandRefused:  # it has ended meanwhile
            receipts = []
        if wait:
            return await self._batch(handle, [one.step_id for one in receipts], over)
        answer = []
        for one in receipts:
            group = group_of(handle.state[one.step_id].step)
            answer.append(
                GroupReceipt(
                    execution_id=one.execution_id,
                    node_id=one.step_id,
                    description=group.description,
                    ops_count=len(group.operations),
                )
            )
        return answer

    async def _batch(self, handle: RunHandle, begun: Sequence[str], before: set[int]) -> Batch:
        under_way = (one.step.id for one in handle.state.steps if one.status == "running")
        left = {one for one in {*begun, *under_way} if handle.state[one].status not in STEP_OVER}
        if left:
            async for _ in handle.events(handle.state.sequence - 1):
                if all(handle.state[one].status in STEP_OVER for one in left):
                    break
        state = handle.state
        found = (results.result(state, index) for index in sorted(_over(state) - before))
        return Batch(tuple(one for one in found if one is not None), _remaining(state))

    # Results.

    async def get_results(self, plan_id: str) -> list[GroupResult]:
        """Of all groups that are over, in the order of the plan. Raises `UnknownPlan`."""
        return results.results(await self._state(plan_id))

    async def subscribe_results(self, plan_id: str) -> AsyncIterator[GroupResult]:
        """Of each group once it is over, those that are first; ends with the plan, or with its
        engine. Raises `UnknownPlan`."""
        try:
            plan = await stored_plan(self._engine.journal, plan_id)
        except UnknownRun as error:
            raise UnknownPlan(plan_id) from error
        seen = RunState(plan_id, plan)
        async with aclosing(self._events(plan_id)) as events:
            async for event in events:
                seen.apply(event)
                if event.type == STEP_SETTLED and event.step is not None:
                    found = results.result(seen, seen.graph.index[event.step])
                    if found is not None:
                        yield found

    async def _events(self, plan_id: str) -> AsyncGenerator[Event, None]:
        handle = await self._handle(plan_id, busy=True)
        if handle is not None:
            async for event in handle.events():
                yield event
            return
        async with aclosing(batches(self._engine.journal, plan_id, follow=True)) as found:
            async for some in found:
                for event in some:
                    yield event

    # Sending.

    async def dry_run(
        self, plan_id: str, root: Path, groups: Collection[int] | None = None
    ) -> list[Path]:
        """Send nothing, but see whether what groups of a plan came to (default: all that are done)
        would go through on the chains as they are now; the paths of its artefacts beneath `root`,
        which are those that Foundry writes. Raises `UnknownPlan`, `ChainError`."""
        broadcaster, outgoing = await self._outgoing(plan_id, groups)
        return await broadcaster.dry_run(outgoing, root)

    async def broadcast(
        self, plan_id: str, root: Path, groups: Collection[int] | None = None
    ) -> str:
        """Send it, through nodes that the settings say may be sent through (`signs`). Returns the
        id of a run of its own, which goes on after a crash as any. Raises as `dry_run`, with
        nothing sent."""
        broadcaster, outgoing = await self._outgoing(plan_id, groups)
        return await broadcaster.broadcast(self._engine, outgoing, root)

    async def _outgoing(
        self, plan_id: str, groups: Collection[int] | None
    ) -> tuple[Broadcaster, list[Outgoing]]:
        """In the order in which they followed each other."""
        state = await self._state(plan_id)
        done = {index for index, step in enumerate(state.steps) if "outgoing" in step.outputs}
        if missing := sorted(set(groups or ()) - done):
            raise ChainError(f"group {missing[0]} has nothing to send: it is not done")
        wanted = done if groups is None else set(groups)
        order = [
            state.graph.index[event.step]
            for event in await self._engine.journal.events(plan_id)
            if event.type == STEP_SETTLED and event.step is not None
        ]
        workshop = await self._engine.shared(opened)
        tools = await workshop.tools(settings_of(state))
        found = [results.outgoing(state.steps[index]) for index in order if index in wanted]
        return tools.broadcaster(), found

    async def plan(self, plan_id: str) -> tuple[OperationGroup, ...]:
        """The groups of a plan. Raises `UnknownPlan`."""
        return tuple(group_of(step.step) for step in (await self._state(plan_id)).steps)

    async def _handle(self, plan_id: str, *, busy: bool = False) -> RunHandle | None:
        """The plan under way; None: it is over. One that nobody drives is gone on with. `busy`:
        None also if another engine drives it."""
        if handle := self._engine.handle(plan_id):
            return handle
        if not plan_id.startswith(PREFIX):
            raise UnknownPlan(plan_id)
        try:
            return await self._engine.resume(plan_id, park=False)
        except RunOver:
            return None
        except RunBusy:
            if busy:
                return None
            raise
        except UnknownRun as error:
            raise UnknownPlan(plan_id) from error

    async def _fetch(self, groups: Sequence[OperationGroup], settings: Path) -> None:
        workshop = await self._engine.shared(opened)
        tools = await workshop.tools(settings)
        tools.begin(groups)

    async def _state(self, plan_id: str) -> RunState:
        workshop: Workshop = await self._engine.shared(opened)
        try:
            return await workshop.state(plan_id)
        except UnknownRun as error:
            raise UnknownPlan(plan_id) from error


def _read(groups: Any, there: Sequence[OperationGroup] = ()) -> tuple[OperationGroup, ...]:
    return reading.extend(there, msgspec.json.decode(msgspec.json.encode(groups)))


def _over(state: RunState) -> set[int]:
    return {index for index, step in enumerate(state.steps) if step.status in STEP_OVER}


def _remaining(state: RunState) -> int:
    return len(state.steps) - len(_over(state))
