"""Beginning attempts: whole or not at all.

When `start` returns, an attempt's row, branch, worktree and run exist and its first process
runs; or nothing of it is left. What a crash cuts short is cleared away by `recover`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Required, TypedDict, Unpack

import msgspec
from msgspec.structs import replace

from stoker.agents import profiles
from stoker.engine.commands import CommandRefused
from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.options import RunOptions
from stoker.journal import events as ev
from stoker.journal.base import JournalError
from stoker.journal.session import Session
from stoker.log import get_logger
from stoker.plan import loader
from stoker.plan.errors import PlanError
from stoker.tasks import plan
from stoker.tasks.catalog import Catalog, TaskChange, text
from stoker.tasks.errors import Conflict, Invalid, NotReady, TasksError
from stoker.tasks.images import Images
from stoker.tasks.model import Attempt, Project, Started, Task, TaskStatus
from stoker.tasks.plan import Turn
from stoker.tasks.readiness import hindrance
from stoker.tasks.removal import Removal, forget_run
from stoker.tasks.sessions import conversation
from stoker.tasks.store import ATTEMPTS, DRAFTS, OVER, PROJECTS, TASKS
from stoker.tasks.trailers import note, trailers
from stoker.tasks.turns import Turns
from stoker.workspace import creation, removal
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.recovery import sweep, there
from stoker.workspace.repository import Repository
from stoker.workspace.spares import Spares
from stoker.workspace.worktree import Worktree

log = get_logger(__name__)

_LOCK: Final = "creating.lock"
"""In the state directory: held by who begins attempts."""
_PREFIX: Final = "stoker"
"""Of branches."""
_LOOKS: Final = 10
_LOOK_SEC: Final = 0.05
_TROUBLE = (WorkspaceError, JournalError, TasksError, PlanError, CommandRefused, OSError)
_SLUG = re.compile(r"[^a-z0-9]+")


class How(TypedDict, total=False):
    """Who is to work at a task, and on what."""

    executor: Required[str]
    variant: str | None
    base_branch: str | None
    """Default: the task's, else the one checked out in the repository."""
    request_key: str | None
    """A second call with it gives the first one's attempt."""
    prefix: str | None
    """Of the branch."""


class Starter:
    """Begins attempts on one engine and its journal."""

    def __init__(self, engine: Engine, catalog: Catalog, turns: Turns, images: Images) -> None:
        self._engine = engine
        self._journal = engine.journal
        self._directory = engine.directory
        self._kinds = engine.kinds
        self._catalog = catalog
        self._turns = turns
        self._images = images
        self.spares = Spares(engine.directory / "worktrees")
        """Made while somebody has entered it: who stays, such as a server."""

    async def create_and_start(
        self,
        project_id: str,
        title: str,
        description: str | None = None,
        change: TaskChange | None = None,
        *,
        task_id: str | None = None,
        **how: Unpack[How],
    ) -> Started:
        """A task and its first attempt, whole or not at all. Raises as `start`."""
        if before := await self._requested(how):
            return before
        task = await self._catalog.new_task(project_id, title, description, change, task_id)
        return await self._start(task, how, with_task=True)

    async def start(self, task_id: str, **how: Unpack[How]) -> Started:
        """Have an agent work at a task, on a branch of its own in a worktree of its own. When
        this returns, both exist and the first process runs.

        Raises `Unknown`, `Invalid`, `Conflict`, `WorkspaceError`, `PlanError` (the file of
        profiles); then nothing is left.
        """
        if before := await self._requested(how):
            return before
        return await self._start(await self._catalog.task(task_id), how)

    async def _start(self, task: Task, how: How, *, with_task: bool = False) -> Started:
        project = await self._catalog.project(task.project_id)
        repository = await self._catalog.repository(project)
        executor, variant = text("executor", how["executor"]), how.get("variant") or None
        _check_profile(executor, variant)
        target = how.get("base_branch") or task.base_branch or await repository.current_branch()
        if target is None:
            raise Invalid("base_branch: expected a branch; the repository has none checked out")
        now = time.time()
        attempt_id = str(uuid.uuid4())
        slug = _SLUG.sub("-", task.title.lower()).strip("-")[:32].strip("-") or "task"
        name = f"{attempt_id[:8]}-{slug}"
        attempt = Attempt(
            attempt_id=attempt_id,
            task_id=task.task_id,
            run_id=f"task-{attempt_id}",
            executor=executor,
            variant=variant,
            branch=f"{how.get('prefix') or _PREFIX}/{name}",
            target_branch=target,
            worktree=str(self._directory / "worktrees" / name),
            request_key=how.get("request_key"),
            with_task=with_task,
            created_at=now,
            updated_at=now,
        )
        # Who removes its task, waits; who opens the journal elsewhere, leaves it alone.
        async with self._turns.lock(attempt.attempt_id), self._locked():
            return await self._make(project, task, attempt, repository)

    @asynccontextmanager
    async def _locked(self, *, alone: bool = False) -> AsyncIterator[bool]:
        """While an attempt is begun; `alone`: whether no live process does that, and none does
        before this is left."""
        descriptor = os.open(self._directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if alone:
                yield await _alone(descriptor)
            else:
                await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_SH)
                yield True
        finally:
            os.close(descriptor)

    async def _make(
        self, project: Project, task: Task, attempt: Attempt, repository: Repository
    ) -> Started:
        async with self._journal.transaction() as session:
            if project.wip_limit or task.depends_on:  # one at a time, so that the limit holds
                project = await PROJECTS.known(session, project.project_id, lock=True)
            if not attempt.with_task:
                task = await TASKS.known(session, task.task_id, lock=True)
            if project.wip_limit or task.depends_on:
                others = await TASKS.find(session, project_id=project.project_id)
                if (why := hindrance(project, task, others)) is not None:
                    raise NotReady(f"the task cannot be begun: {why}")
            task = replace(task, status="inprogress", updated_at=time.time())
            await (TASKS.add if attempt.with_task else TASKS.put)(session, task)
            if not await ATTEMPTS.add(session, attempt):
                raise Conflict("a request with this key is under way")
        try:
            worktree = await creation.create(
                repository,
                attempt.worktree,
                attempt.branch,
                attempt.target_branch,
                copy_files=project.copy_files,
                spares=self.spares,
            )
            note(worktree, trailers(task, attempt))
            _check_directory(attempt, project.directory)
            attempt = replace(attempt, base_commit=await worktree.head() or "", state="ready")
            turn = Turn(
                prompt=plan.prompt(task),
                executor=attempt.executor,
                variant=attempt.variant,
                session=await conversation(self._journal, task.task_id, attempt.executor),
                images=await self._images.place(attempt.worktree, task.images),
            )
            handle = await self._begin(project, task, attempt, turn)
            async with self._journal.transaction() as session:
                await self._ready(session, attempt)
        except BaseException:
            await asyncio.shield(self._undo(repository, attempt))
            raise
        self._turns.watch(attempt, handle)
        return Started(task=task, attempt=attempt)

    async def _ready(self, session: Session, attempt: Attempt) -> None:
        if not await ATTEMPTS.put(session, attempt):
            raise Conflict("the attempt was removed while it was being begun")

    async def _begin(self, project: Project, task: Task, attempt: Attempt, turn: Turn) -> RunHandle:
        document = msgspec.json.encode(plan.plan(project, task, attempt, turn))
        whole = loader.loads(document, kinds=self._kinds).plan
        handle = await self._engine.start(
            whole, run_id=attempt.run_id, options=RunOptions(cwd=attempt.worktree, kept=True)
        )
        await _first_process(handle)
        return handle

    async def _requested(self, how: How) -> Started | None:
        if (key := how.get("request_key")) is None:
            return None
        async with self._journal.snapshot() as session:
            found = await ATTEMPTS.find(session, request_key=key)
            if not found:
                return None
            if found[0].state != "ready":
                raise Conflict("a request with this key is under way")
            task = await TASKS.known(session, found[0].task_id)
        return Started(task=task, attempt=found[0], repeated=True)

    async def _undo(self, repository: Repository, attempt: Attempt) -> None:
        """Leave nothing of an attempt that could not be started."""
        await forget_run(self._engine, attempt.run_id)
        await sweep(repository)  # what was killed while it made the worktree
        if there(attempt.worktree):  # else neither it nor the branch is this attempt's
            await removal.remove(
                Worktree.open(repository, attempt.worktree), attempt.branch, discard_nested=True
            )
            await repository.git.run("branch", "-D", "--", attempt.branch, accept=(0, 1))
        async with self._journal.transaction() as session:
            await ATTEMPTS.remove(session, attempt.attempt_id)
            if attempt.with_task:
                await TASKS.remove(session, attempt.task_id)
                return
            others = await ATTEMPTS.find(session, task_id=attempt.task_id)
            task = await TASKS.known(session, attempt.task_id, lock=True)
            if task.status == "inprogress":
                before: TaskStatus = "inreview" if others else "todo"
                await TASKS.put(session, replace(task, status=before, updated_at=time.time()))

    # After a crash.

    async def recover(self, removal: Removal) -> None:
        """Go on with what was under way when the last owner of the journal ended, and clear
        away what it had not finished starting, or removing."""
        found = await self._unfinished()
        if any(attempt.state == "creating" for attempt, _ in found):
            # What is still at that when nobody else is, nobody goes on with.
            async with self._locked(alone=True) as alone:
                for attempt, over in await self._unfinished() if alone else ():
                    if attempt.state == "creating":
                        await self._try(attempt, over, removal)
        for attempt, over in found:
            if attempt.state != "creating":
                await self._try(attempt, over, removal)

    async def _try(self, attempt: Attempt, over: bool, removal: Removal) -> None:
        try:
            await self._recover(attempt, over, removal)
        except _TROUBLE as error:  # of one attempt, which is not another's
            log.warning("attempt not recovered", attempt=attempt.attempt_id, error=str(error))

    async def _unfinished(self) -> list[tuple[Attempt, bool]]:
        """Attempts with which there is something to be done, and whether their runs are over."""
        async with self._journal.snapshot() as session:
            rows = await session.fetch(f"SELECT run_id FROM runs WHERE status NOT IN ({OVER})")  # noqa: S608 - ours
            queued = {draft.attempt_id for draft in await DRAFTS.find(session, queued=True)}
            found = await ATTEMPTS.find(session)
        running = {row[0] for row in rows}
        return [
            (one, one.run_id not in running)
            for one in found
            if Path(one.worktree).is_relative_to(self._directory)  # not of another host's server
            and (one.state != "ready" or one.run_id in running or one.attempt_id in queued)
        ]

    async def _recover(self, attempt: Attempt, over: bool, removal: Removal) -> None:
        if attempt.state == "creating":
            task = await self._catalog.task(attempt.task_id)
            project = await self._catalog.project(task.project_id)
            await self._undo(await self._catalog.repository(project), attempt)
        elif attempt.state == "removing":
            await removal.finish(attempt)
        elif over:
            await self._turns.recover(attempt)
        else:
            await self._turns.take_up(attempt)


async def _alone(descriptor: int) -> bool:
    """Take the lock for oneself. Whoever was killed as it spawned a process still has it for a
    moment by that process, which shares the descriptor until it has exec'ed: nobody can tell
    when that is, so it is looked at a few times."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_LOOK_SEC)
        else:
            return True
    return False


def _check_profile(executor: str, variant: str | None) -> None:
    try:
        profiles.load(profiles.place(os.environ)).profile(executor, variant or "")
    except profiles.UnknownProfile as error:
        raise Invalid(str(error)) from error


def _check_directory(attempt: Attempt, directory: str) -> None:
    place = Path(attempt.worktree, directory).resolve()
    if not (place.is_dir() and place.is_relative_to(Path(attempt.worktree).resolve())):
        raise Invalid(f"directory: {attempt.target_branch} has no directory {directory!r}")


async def _first_process(handle: RunHandle) -> None:
    """Returns once the first step has begun, or the run is over."""
    async for event in handle.events():
        if event.type in (ev.ATTEMPT_STARTING, ev.RUN_SETTLED):
            return
