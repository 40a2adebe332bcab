"""What the roadmaps of one engine have together: repositories that are open, the documents their
runs began from, pauses that providers ask for; and who keeps the sidecars."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from stoker.engine.engine import Engine
from stoker.engine.kinds import Kind, StepFailed
from stoker.engine.nested import replayed
from stoker.engine.options import RunOptions
from stoker.engine.state import RunState
from stoker.journal.base import Journal, RunExists, RunOver
from stoker.journal.events import RUN_SETTLED, STEP_SETTLED
from stoker.roadmaps import sidecar
from stoker.roadmaps.begun import Begun
from stoker.roadmaps.claims import Claims
from stoker.roadmaps.context.index import Index
from stoker.roadmaps.standing import RunStanding, Standings
from stoker.roadmaps.tries import Try
from stoker.roadmaps.unit import Job
from stoker.workspace.repository import Repository
from stoker.workspace.spares import Spares


class Bench:
    """Of one engine; get it by `attempt.shared(opened)`."""

    def __init__(self, engine: Engine, group: asyncio.TaskGroup, spares: Spares) -> None:
        self._engine = engine
        self._group = group
        self.spares = spares
        self.writing = asyncio.Lock()
        """Held by whoever writes to a plan file."""
        self._repositories: dict[str, Repository] = {}
        self._standings = Standings(engine.journal, engine.directory / "runs")
        self._paused: dict[str, float] = {}
        self._followed: set[str] = set()
        self._claims = Claims(engine.directory)
        self.given_up: set[str] = set()
        """Runs that are being taken back: nothing more is merged for them."""
        self._indexes: dict[Path, Index] = {}
        self._indexing = asyncio.Lock()

    @property
    def journal(self) -> Journal:
        return self._engine.journal

    @property
    def directory(self) -> Path:
        """The state directory."""
        return self._engine.directory

    @property
    def kinds(self) -> Mapping[str, Kind[Any]]:
        return self._engine.kinds

    async def repository(self, root: str) -> Repository:
        """Raises `NotARepository`."""
        if root not in self._repositories:
            self._repositories[root] = await Repository.open(root)
        return self._repositories[root]

    async def begun(self, run_id: str) -> Begun:
        """What a run of a roadmap began with. Raises `StepFailed` if it is no roadmap's."""
        found = self._standings.begun(await self.state(run_id))
        if found is None:
            raise StepFailed(f"run {run_id} is no roadmap's")
        return found

    async def standing(self, run_id: str) -> RunStanding:
        """How the tasks of a run stand."""
        return await self._standings.of(run_id, await self.state(run_id))

    async def tries(self, run_id: str, step_id: str, before: int) -> tuple[Try, ...]:
        """The tries of a step of a run with numbers below `before`. Raises `OSError`."""
        return await self._standings.tries(run_id, step_id, before)

    async def extend(self, run_id: str, steps: str, *, by: str) -> None:
        """Give a run that this engine drives more steps. Raises `PlanError`, `CommandRefused`."""
        handle = self._engine.handle(run_id)
        if handle is not None:
            await handle.extend(steps, by=by)

    async def state(self, run_id: str) -> RunState:
        """How a run stands."""
        handle = self._engine.handle(run_id)
        return handle.state if handle else await replayed(self.journal, run_id)

    @asynccontextmanager
    async def index(self, file: Path) -> AsyncIterator[Index]:
        """The index of a repository that is kept in `file`, one user at a time. Raises `OSError`,
        `sqlite3.Error`."""
        async with self._indexing:
            if file not in self._indexes:
                self._indexes[file] = await asyncio.to_thread(Index.open, file)
            yield self._indexes[file]

    def close(self) -> None:
        """Give files up."""
        self._claims.close()
        for index in self._indexes.values():
            index.close()

    def pause(self, agent: str, until: float) -> None:
        """No try of this agent begins before then."""
        self._paused[agent] = max(until, self.paused(agent))

    def paused(self, agent: str) -> float:
        """Until when; seconds since the Unix epoch."""
        return self._paused.get(agent, 0.0)

    async def take_back(self, run_id: str, root: str, tasks: Sequence[str]) -> None:
        """Have a run of its own revert all that was merged for `tasks`. Raises `StepFailed`."""
        from stoker.roadmaps.review_kind import plan

        nested = f"{run_id}.rollback"
        try:
            options = RunOptions(cwd=root)
            made = plan(run_id, tasks, kinds=self.kinds)
            handle = await self._engine.start(made, run_id=nested, options=options)
        except RunExists:  # begun before a crash
            try:
                handle = await self._engine.resume(nested)
            except RunOver:
                return
        outcome = await handle.wait()
        if outcome.status != "succeeded":
            raise StepFailed(f"what was done could not be taken back: {outcome.reason}")

    async def follow(self, run_id: str, job: Job, say: Callable[[str], None]) -> None:
        """Have the branch of a run for this engine alone, and keep the run's sidecars up to date,
        for as long as this engine drives it. `say`: told what that has to wait for."""
        await self._claims.take(await self.repository(job.root), job.branch, run_id, say)
        handle = self._engine.handle(run_id)
        if handle is not None and run_id not in self._followed:
            self._followed.add(run_id)
            self._group.create_task(self._project(run_id, job))

    async def _project(self, run_id: str, job: Job) -> None:
        from stoker.roadmaps import knowledge

        handle = self._engine.handle(run_id)
        if handle is None:
            return
        async for event in handle.events(handle.state.sequence):
            if event.type in (STEP_SETTLED, RUN_SETTLED):
                await sidecar.project(await self.standing(run_id), job)
            if event.type == RUN_SETTLED:
                await knowledge.remember(await self.standing(run_id), job)
        self._followed.discard(run_id)
        self._claims.leave(run_id)


@asynccontextmanager
async def opened(engine: Engine) -> AsyncIterator[Bench]:
    """See `Bench`."""
    async with Spares(engine.directory / "worktrees") as spares, asyncio.TaskGroup() as group:
        bench = Bench(engine, group, spares)
        try:
            yield bench
        finally:
            bench.close()
