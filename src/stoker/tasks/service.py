"""Projects, tasks and attempts: what can be done with them, and what must hold.

An attempt is started whole or not at all: its row, branch, worktree and run exist and its
first process runs, or nothing of it is left. What a crash cuts short is cleared away or
gone on with by `recover`. One agent works in a worktree at a time: what follows up on an
attempt that is busy is queued.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from stoker.agents import profiles
from stoker.engine.commands import CommandRefused
from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.kinds import Kind
from stoker.engine.lifecycle import RUN_OVER, STEP_OVER
from stoker.engine.options import RunOptions
from stoker.engine.retention import forget
from stoker.engine.state import RunState
from stoker.engine.view import read_run
from stoker.journal import events as ev
from stoker.journal.base import Journal, JournalError, UnknownRun
from stoker.log import get_logger
from stoker.plan import loader
from stoker.tasks import turns
from stoker.tasks.catalog import Catalog, known, text
from stoker.tasks.checkpoint import subject
from stoker.tasks.errors import Conflict, Invalid, Unknown
from stoker.tasks.model import Attempt, FollowUp, Project, Task
from stoker.tasks.store import ATTEMPTS, FOLLOW_UPS, TASKS
from stoker.tasks.turns import Turn
from stoker.workspace import commit, creation, diff, merge, removal, status
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.model import BranchStatus, FileDiff, Merged
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree

log = get_logger(__name__)

_SLUG = re.compile(r"[^a-z0-9]+")


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt under way, or the one that an idempotency key has started before."""

    task: Task
    attempt: Attempt
    repeated: bool = False


class Tasks:
    """The tasks door on one engine and its journal. Use as an async context manager within
    the engine's."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        directory: Path,
        kinds: Mapping[str, Kind[Any]],
        *,
        prefix: str = "stoker",
    ) -> None:
        """`directory`: of the state; worktrees are made in it. `kinds`: all there are, the
        agent's and `checkpoint` among them. `prefix`: of branches."""
        self._engine = engine
        self._journal = journal
        self.catalog = Catalog(journal)
        self._directory = directory.absolute()
        self._worktrees = self._directory / "worktrees"
        self._kinds = kinds
        self._prefix = prefix
        self._watched: dict[str, asyncio.Task[None]] = {}
        """By attempt: who waits for the end of its turn."""
        self._locks: dict[str, asyncio.Lock] = {}
        self._stack = AsyncExitStack()
        self._group: asyncio.TaskGroup

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(self, *error: object) -> None:
        for watching in self._watched.values():
            watching.cancel()
        await self._stack.aclose()

    # Attempts.

    async def attempts(self, task_id: str) -> list[Attempt]:
        """Of a task, oldest first; those that are whole."""
        async with self._journal.snapshot() as session:
            return await ATTEMPTS.find(session, order="created_at", task_id=task_id, state="ready")

    async def all_attempts(self) -> list[Attempt]:
        """Of all tasks, oldest first; those that are whole."""
        async with self._journal.snapshot() as session:
            return await ATTEMPTS.find(session, order="created_at", state="ready")

    async def attempt(self, attempt_id: str) -> Attempt:
        """Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return await known(session, ATTEMPTS, "attempt", attempt_id)

    async def create_and_start(
        self,
        project_id: str,
        title: str,
        description: str | None = None,
        *,
        executor: str,
        variant: str | None = None,
        base_branch: str | None = None,
        request_key: str | None = None,
    ) -> Started:
        """A task and its first attempt, whole or not at all. Raises as `start`."""
        if request_key is not None and (before := await self._requested(request_key)):
            return before
        task = await self.catalog.create_task(project_id, title, description)
        try:
            return await self.start(
                task.task_id,
                executor=executor,
                variant=variant,
                base_branch=base_branch,
                request_key=request_key,
            )
        except BaseException:
            await self.catalog.remove_task(task.task_id)
            raise

    async def start(
        self,
        task_id: str,
        *,
        executor: str,
        variant: str | None = None,
        base_branch: str | None = None,
        request_key: str | None = None,
    ) -> Started:
        """Have an agent work at a task, on a branch of its own in a worktree of its own. When
        this returns, both exist and the first process runs.

        `base_branch`: default: the one checked out in the repository. `request_key`: a second
        call with it gives the first one's attempt. Raises `Unknown`, `Invalid`,
        `WorkspaceError`, `PlanError` (the file of profiles); then nothing is left.
        """
        if request_key is not None and (before := await self._requested(request_key)):
            return before
        task = await self.catalog.task(task_id)
        project = await self.catalog.project(task.project_id)
        repository = await self.catalog.repository(project)
        _check_profile(executor, variant)
        target = base_branch or await repository.current_branch()
        if target is None:
            raise Invalid("base_branch: expected a branch; the repository has none checked out")
        attempt = _new_attempt(
            task, executor, variant, target, self._prefix, self._worktrees, request_key
        )
        async with self._journal.transaction() as session:
            if not await ATTEMPTS.add(session, attempt):
                raise Conflict("a request with this key is under way")
        try:
            worktree = await creation.create(
                repository,
                attempt.worktree,
                attempt.branch,
                target,
                copy_files=project.copy_files,
            )
            attempt = replace(attempt, base_commit=await worktree.head() or "", state="ready")
            turn = Turn(prompt=_prompt(task), executor=executor, variant=variant)
            handle = await self._begin(project, task, attempt, turn)
            async with self._journal.transaction() as session:
                await ATTEMPTS.put(session, attempt)
                task = replace(task, status="inprogress", updated_at=time.time())
                await TASKS.put(session, task)
        except BaseException:
            await asyncio.shield(self._undo(repository, attempt))
            raise
        self._watch(attempt, handle)
        return Started(task=task, attempt=attempt)

    async def _begin(self, project: Project, task: Task, attempt: Attempt, turn: Turn) -> RunHandle:
        document = msgspec.json.encode(turns.plan(project, task, attempt, turn))
        whole = loader.loads(document, kinds=self._kinds).plan
        handle = await self._engine.start(
            whole, run_id=attempt.run_id, options=RunOptions(cwd=attempt.worktree, kept=True)
        )
        await _first_process(handle)
        return handle

    async def _requested(self, key: str) -> Started | None:
        async with self._journal.snapshot() as session:
            found = await ATTEMPTS.find(session, request_key=key)
            if not found:
                return None
            if found[0].state != "ready":
                raise Conflict("a request with this key is under way")
            task = await known(session, TASKS, "task", found[0].task_id)
        return Started(task=task, attempt=found[0], repeated=True)

    async def _undo(self, repository: Repository, attempt: Attempt) -> None:
        """Leave nothing of an attempt that could not be started."""
        if handle := self._engine.handle(attempt.run_id):
            await handle.cancel("the attempt could not be started", by="tasks")
            await handle.wait()
        try:
            row = await self._journal.run(attempt.run_id)
        except UnknownRun:
            row = None
        if row is not None and row.status in RUN_OVER:
            await forget(self._journal, self._directory, attempt.run_id, kept=True)
        if _exists(attempt.worktree):
            await removal.remove(
                Worktree.open(repository, attempt.worktree), attempt.branch, discard_nested=True
            )
        await repository.git.run("branch", "-D", "--", attempt.branch, accept=(0, 1))
        async with self._journal.transaction() as session:
            await ATTEMPTS.remove(session, attempt.attempt_id)

    # Turns.

    async def follow_up(self, attempt_id: str, prompt: str, *, variant: str | None = None) -> bool:
        """Tell an attempt's agent more: True if it is at work on it now, False if it is queued
        until the turn under way is over. Raises `Unknown`, `Conflict`, `Invalid`."""
        text("prompt", prompt)
        async with self._lock(attempt_id):
            attempt = await self.attempt(attempt_id)
            if self._busy(attempt):
                await self._queue(attempt_id, prompt, variant)
                return False
            await self._go_on(attempt, prompt, variant)
        return True

    async def queued(self, attempt_id: str) -> FollowUp | None:
        """What waits for the end of the turn under way."""
        async with self._journal.snapshot() as session:
            return await FOLLOW_UPS.get(session, attempt_id)

    async def unqueue(self, attempt_id: str) -> bool:
        """Take back what is queued; False if nothing is."""
        async with self._lock(attempt_id), self._journal.transaction() as session:
            return await FOLLOW_UPS.remove(session, attempt_id)

    async def _queue(self, attempt_id: str, prompt: str, variant: str | None) -> None:
        async with self._journal.transaction() as session:
            before = await FOLLOW_UPS.get(session, attempt_id)
            waiting = FollowUp(
                attempt_id=attempt_id,
                prompt=f"{before.prompt}\n\n{prompt}" if before is not None else prompt,
                variant=variant or (before.variant if before is not None else None),
                queued=True,
                version=before.version + 1 if before is not None else 1,
                updated_at=time.time(),
            )
            if not await FOLLOW_UPS.put(session, waiting):
                await FOLLOW_UPS.add(session, waiting)

    async def _go_on(self, attempt: Attempt, prompt: str, variant: str | None) -> None:
        task = await self.catalog.task(attempt.task_id)
        project = await self.catalog.project(task.project_id)
        if not _exists(attempt.worktree):
            repository = await self.catalog.repository(project)
            await creation.recreate(
                repository, attempt.worktree, attempt.branch, copy_files=project.copy_files
            )
        steps = (await read_run(self._journal, attempt.run_id)).state.steps
        turn = Turn(
            prompt=prompt,
            executor=attempt.executor,
            variant=variant or attempt.variant,
            session=turns.session(steps),
        )
        more = turns.follow_up(project, task, turns.last(steps) + 1, turn)
        handle = await self._engine.extend(attempt.run_id, more, by="tasks")
        await self.catalog.set_status(task.task_id, "inprogress")
        self._watch(attempt, handle)

    async def stop(self, attempt_id: str) -> None:
        """End the turn under way, its processes and all; what the agent has done is kept. What
        was queued stays as a draft. Raises `Unknown`."""
        attempt = await self.attempt(attempt_id)
        handle = self._engine.handle(attempt.run_id)
        if handle is None:
            return
        async with self._journal.transaction() as session:
            waiting = await FOLLOW_UPS.get(session, attempt_id)
            if waiting is not None:
                await FOLLOW_UPS.put(session, replace(waiting, queued=False))
        try:
            await handle.cancel("stopped", by="tasks")
        except CommandRefused:
            return  # it was over already
        await self.settled(attempt_id)

    async def settled(self, attempt_id: str) -> None:
        """Returns when no turn of the attempt is under way and its work is kept."""
        while await self.turn_over(attempt_id):
            continue

    async def turn_over(self, attempt_id: str) -> bool:
        """Returns when the turn under way is over, its work is kept, and the next has begun if
        one was queued; False if none was under way."""
        watching = self._watched.get(attempt_id)
        if watching is None:
            return False
        await asyncio.wait({watching})
        return True

    def _busy(self, attempt: Attempt) -> bool:
        return attempt.attempt_id in self._watched

    def _watch(self, attempt: Attempt, handle: RunHandle) -> None:
        self._watched[attempt.attempt_id] = self._group.create_task(self._after(attempt, handle))

    async def _after(self, attempt: Attempt, handle: RunHandle) -> None:
        """Wait for the end of a turn, keep its work, and begin the next if one is queued."""
        key = attempt.attempt_id
        try:
            outcome = await handle.wait()
            if outcome.status == "suspended":
                return
            async with self._lock(key):  # whoever follows up waits until the work is kept
                await self._keep(attempt)
                await self._review(attempt)
                waiting = await self._take_queued(key)
                del self._watched[key]
                if waiting is not None:
                    await self._go_on(attempt, waiting.prompt, waiting.variant)
        except Exception as error:  # one attempt's trouble is not another's
            log.exception("an attempt cannot go on", redact=str, attempt=key, error=str(error))
        finally:
            if self._watched.get(key) is asyncio.current_task():
                del self._watched[key]

    async def _take_queued(self, attempt_id: str) -> FollowUp | None:
        async with self._journal.transaction() as session:
            waiting = await FOLLOW_UPS.get(session, attempt_id)
            if waiting is None or not waiting.queued:
                return None
            await FOLLOW_UPS.remove(session, attempt_id)
        return waiting

    async def _keep(self, attempt: Attempt) -> None:
        """Commit what a stopped turn has left: its own commit never came."""
        try:
            worktree = await self._worktree(attempt)
            task = await self.catalog.task(attempt.task_id)
            await commit.commit(worktree, subject(task.title), break_lock=True)
        except (WorkspaceError, Unknown, OSError) as error:
            log.warning("work not committed", attempt=attempt.attempt_id, error=str(error))

    async def _review(self, attempt: Attempt) -> None:
        async with self._journal.transaction() as session:
            task = await TASKS.get(session, attempt.task_id)
            if task is not None and task.status == "inprogress":
                task = replace(task, status="inreview", updated_at=time.time())
                await TASKS.put(session, task)

    # Work.

    async def state(self, attempt_id: str) -> RunState:
        """How an attempt's run stands, step by step."""
        attempt = await self.attempt(attempt_id)
        if handle := self._engine.handle(attempt.run_id):
            return handle.state
        return (await read_run(self._journal, attempt.run_id)).state

    def run_directory(self, run_id: str) -> Path:
        """Where the files of a run are."""
        return self._directory / "runs" / run_id

    async def step_begun(self, attempt_id: str, step_id: str) -> int | None:
        """The number of a step's last attempt, once it has begun one; None if it never will."""
        async for state in self._standings(attempt_id):
            step = state[step_id]
            if step.number:
                return step.number
            if step.status in STEP_OVER:
                return None
        return None

    async def step_over(self, attempt_id: str, step_id: str) -> None:
        """Returns when a step has settled, or nobody drives the run any more."""
        async for state in self._standings(attempt_id):
            if state[step_id].status in STEP_OVER:
                return

    async def _standings(self, attempt_id: str) -> AsyncIterator[RunState]:
        """How a run stands now, and with every event until it is over."""
        attempt = await self.attempt(attempt_id)
        handle = self._engine.handle(attempt.run_id)
        if handle is None:
            yield await self.state(attempt_id)
            return
        yield handle.state
        async for _ in handle.events(handle.state.sequence):
            yield handle.state

    async def changes(self, attempt_id: str, *, contents: bool = True) -> list[FileDiff]:
        """What an attempt has that its target branch had where they parted, committed or not."""
        attempt = await self.attempt(attempt_id)
        worktree = await self._worktree(attempt)
        return await diff.changes(worktree, attempt.target_branch, contents=contents)

    async def patch(self, attempt_id: str) -> bytes:
        """The same as a text that `git apply` takes."""
        attempt = await self.attempt(attempt_id)
        return await diff.patch(await self._worktree(attempt), attempt.target_branch)

    async def branch_status(self, attempt_id: str) -> BranchStatus:
        """How an attempt's branch stands to its target and its remote."""
        attempt = await self.attempt(attempt_id)
        return await status.status(await self._worktree(attempt), attempt.target_branch)

    async def merge(self, attempt_id: str) -> Merged:
        """Squash an attempt's work into its target branch; the task is done then. Raises
        `Conflict` while a turn is under way, `Diverged`, `MergeConflict`, `WorktreeDirty`."""
        async with self._lock(attempt_id):
            attempt = await self.attempt(attempt_id)
            if self._busy(attempt):
                raise Conflict("the attempt's agent is at work: stop it, or wait for it, first")
            task = await self.catalog.task(attempt.task_id)
            worktree = await self._worktree(attempt)
            await commit.commit(worktree, subject(task.title), break_lock=True)
            trailers = (("Stoker-Task", task.task_id), ("Stoker-Run", attempt.run_id))
            merged = await merge.merge(
                worktree.repository,
                attempt.branch,
                attempt.target_branch,
                _prompt(task),
                trailers=trailers,
            )
        await self.catalog.set_status(task.task_id, "done")
        return merged

    async def remove_worktree(self, attempt_id: str) -> None:
        """Give an attempt's worktree up; its branch stays, and what was in no commit is backed
        up. A follow-up makes it anew. Raises `Conflict` while a turn is under way."""
        async with self._lock(attempt_id):
            attempt = await self.attempt(attempt_id)
            if self._busy(attempt):
                raise Conflict("the attempt's agent is at work: stop it first")
            if _exists(attempt.worktree):
                await removal.remove(await self._worktree(attempt), attempt.branch)

    async def _worktree(self, attempt: Attempt) -> Worktree:
        task = await self.catalog.task(attempt.task_id)
        project = await self.catalog.project(task.project_id)
        return Worktree.open(await self.catalog.repository(project), attempt.worktree)

    def _lock(self, attempt_id: str) -> asyncio.Lock:
        return self._locks.setdefault(attempt_id, asyncio.Lock())

    # After a crash.

    async def recover(self) -> None:
        """Go on with what was under way when the last owner of the journal ended, and clear
        away what it had not finished starting."""
        async with self._journal.snapshot() as session:
            found = await ATTEMPTS.find(session)
        for attempt in found:
            try:
                await self._recover(attempt)
            except (WorkspaceError, JournalError, Unknown, OSError) as error:
                log.warning("attempt not recovered", attempt=attempt.attempt_id, error=str(error))

    async def _recover(self, attempt: Attempt) -> None:
        if attempt.state == "creating":
            task = await self.catalog.task(attempt.task_id)
            project = await self.catalog.project(task.project_id)
            if await self._over(attempt.run_id) is False:
                await self._engine.resume(attempt.run_id)
            await self._undo(await self.catalog.repository(project), attempt)
        elif await self._over(attempt.run_id) is False:
            self._watch(attempt, await self._engine.resume(attempt.run_id))
        else:
            async with self._lock(attempt.attempt_id):
                if waiting := await self._take_queued(attempt.attempt_id):
                    await self._go_on(attempt, waiting.prompt, waiting.variant)

    async def _over(self, run_id: str) -> bool | None:
        try:
            return (await self._journal.run(run_id)).status in RUN_OVER
        except UnknownRun:
            return None


def _check_profile(executor: str, variant: str | None) -> None:
    try:
        profiles.load(profiles.place(os.environ)).profile(text("executor", executor), variant or "")
    except profiles.UnknownProfile as error:
        raise Invalid(str(error)) from error


def _exists(path: str) -> bool:
    return Path(path).exists()


def _prompt(task: Task) -> str:
    return "\n\n".join(filter(None, (task.title, task.description)))


def _new_attempt(
    task: Task,
    executor: str,
    variant: str | None,
    target: str,
    prefix: str,
    worktrees: Path,
    request_key: str | None,
) -> Attempt:
    now = time.time()
    attempt_id = str(uuid.uuid4())
    slug = _SLUG.sub("-", task.title.lower()).strip("-")[:32].strip("-") or "task"
    name = f"{attempt_id[:4]}-{slug}"
    return Attempt(
        attempt_id=attempt_id,
        task_id=task.task_id,
        run_id=f"task-{attempt_id}",
        executor=text("executor", executor),
        variant=variant or None,
        branch=f"{prefix}/{name}",
        target_branch=target,
        worktree=str(worktrees / f"{attempt_id[:8]}-{slug}"),
        request_key=request_key,
        created_at=now,
        updated_at=now,
    )


async def _first_process(handle: RunHandle) -> None:
    """Returns once the first step has begun, or the run is over."""
    async for event in handle.events():
        if event.type in (ev.ATTEMPT_STARTING, ev.RUN_SETTLED):
            return


@asynccontextmanager
async def open_tasks(
    engine: Engine, journal: Journal, directory: Path, kinds: Mapping[str, Kind[Any]]
) -> AsyncIterator[Tasks]:
    """The tasks door, with what was under way gone on with."""
    async with Tasks(engine, journal, directory, kinds) as tasks:
        await tasks.recover()
        yield tasks
