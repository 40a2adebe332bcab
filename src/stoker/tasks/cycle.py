"""One turn of an attempt's agent after the other.

When a turn is over, however it ended, what it has left in the worktree is committed; then
the task is in review, a follow-up that waits is begun, and the listeners are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Self
from weakref import WeakValueDictionary

from msgspec.structs import replace

from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.lifecycle import RUN_OVER
from stoker.journal.base import RunBusy, RunOver, UnknownRun
from stoker.log import get_logger
from stoker.tasks import plan
from stoker.tasks.catalog import Catalog, TaskChange
from stoker.tasks.checkpoint import keep
from stoker.tasks.devserver import DevServers
from stoker.tasks.drafts import Drafts
from stoker.tasks.errors import Conflict, Unknown
from stoker.tasks.images import Images
from stoker.tasks.model import Attempt
from stoker.tasks.plan import Origin, Turn
from stoker.tasks.progress import Progress
from stoker.tasks.trailers import note, trailers
from stoker.workspace.errors import WorkspaceError

log = get_logger(__name__)

_LEAVING_SEC: Final = 10.0

Listener = Callable[[Attempt], Awaitable[None]]
"""Told that an attempt's turn is over and its work kept."""


class Cycle:
    """See `stoker.tasks.turns.Turns`."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        progress: Progress,
        images: Images,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._progress = progress
        self._images = images
        self._drafts = Drafts(engine.journal)
        self.devservers = DevServers(engine, catalog)
        self._watched: dict[str, asyncio.Task[None]] = {}
        """By attempt: who waits for the end of its turn."""
        self._running: set[asyncio.Task[None]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._stack = AsyncExitStack()
        self._group: asyncio.TaskGroup
        self.on_begin: list[Listener] = []
        """Told that a turn has begun, or is gone on with; not waited for."""
        self.companions: list[Listener] = []
        """Likewise, and cancelled when the turn is over."""
        self.listeners: list[Listener] = []

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(self, *error: object) -> None:
        for watching in self._watched.values():
            watching.cancel()
        if self._running:  # listeners and what is done aside may talk to other machines
            _, late = await asyncio.wait(self._running, timeout=_LEAVING_SEC)
            for task in late:
                task.cancel()
        await self._stack.aclose()

    def lock(self, attempt_id: str) -> asyncio.Lock:
        """Held by whoever changes what an attempt does, or what is in its worktree."""
        return self._locks.setdefault(attempt_id, asyncio.Lock())

    def busy(self, attempt_id: str) -> bool:
        """Whether a turn is under way, or its work not kept yet."""
        return attempt_id in self._watched

    async def at_work(self, attempt: Attempt) -> bool:
        """The same, whichever process sees to the turn, or if none does."""
        if self.busy(attempt.attempt_id):
            return True
        try:
            row = await self._engine.journal.run(attempt.run_id)
        except UnknownRun:
            return False
        return row.status not in RUN_OVER

    async def idle(self, attempt: Attempt) -> None:
        """Raises `Conflict` while a turn is under way."""
        if await self.at_work(attempt):
            raise Conflict("the attempt's agent is at work: stop it, or wait for it, first")

    async def take_up(self, attempt: Attempt) -> None:
        """Go on with a turn that nobody sees to; one whose last engine may live on another host,
        or on this one before it was started anew, once that has let go of it."""
        try:
            self.watch(attempt, await self._engine.resume(attempt.run_id))
        except RunBusy as error:
            if error.lease_sec is None:
                raise
            self.aside(self._take_up_later(attempt, error.lease_sec))

    async def _take_up_later(self, attempt: Attempt, wait_sec: float) -> None:
        await asyncio.sleep(wait_sec + 0.5)
        try:
            await self.take_up(attempt)
        except RunOver:
            await self.recover(attempt)

    async def settled(self, attempt_id: str) -> None:
        """Returns when no turn of the attempt is under way and its work is kept."""
        while await self.over(attempt_id):
            continue

    async def over(self, attempt_id: str) -> bool:
        """Returns when the turn under way is over, its work is kept, and the next has begun if
        one was queued; False if none was under way."""
        watching = self._watched.get(attempt_id)
        if watching is None:
            return False
        await asyncio.wait({watching})
        return True

    async def _begin(
        self,
        attempt: Attempt,
        prompt: str,
        variant: str | None,
        images: Sequence[str] = (),
        origin: Origin | None = None,
    ) -> None:
        project, task = await self._catalog.origin(attempt)
        worktree = await self._catalog.room(attempt)
        note(worktree, trailers(task, attempt))  # its issue may be known by now
        steps = (await self._progress.state(attempt)).steps
        origin = replace(origin or Origin(), before=await worktree.head() or "")
        past = plan.past(steps, origin.replaces)
        turn = Turn(
            prompt=prompt,
            executor=attempt.executor,
            variant=variant or attempt.variant,
            session=past.session,
            continues=past.turns,
            images=await self._images.place(attempt.worktree, images),
            origin=origin,
        )
        more = plan.follow_up(project, task, attempt, plan.last(steps) + 1, turn)
        handle = await self._engine.extend(attempt.run_id, more, by="tasks")
        await self._catalog.change_task(task.task_id, TaskChange(status="inprogress"))
        self.watch(attempt, handle)

    def watch(self, attempt: Attempt, handle: RunHandle) -> None:
        """See the turn that a run is at to its end, and what follows it."""
        self._watched[attempt.attempt_id] = self._create(self._see(attempt, handle))
        for listener in self.on_begin:
            self.aside(listener(attempt))

    def aside(self, doing: Awaitable[None]) -> asyncio.Task[None]:
        """Have something done that nothing here waits for; it ends before this does."""
        return self._create(_logged(doing))

    def _create(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(doing)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _see(self, attempt: Attempt, handle: RunHandle) -> None:
        key = attempt.attempt_id
        companions = [self.aside(companion(attempt)) for companion in self.companions]
        try:
            outcome = await handle.wait()
            if outcome.status == "suspended":
                return
            async with self.lock(key):  # whoever follows up waits until the work is kept
                await self._keep(attempt)
                await self._catalog.move_task(attempt.task_id, before="inprogress", to="inreview")
                del self._watched[key]
                await self._next(attempt)
            for listener in self.listeners:
                await listener(attempt)
        except Exception as error:  # one attempt's trouble is not another's
            log.exception("an attempt cannot go on", redact=str, attempt=key, error=str(error))
        finally:
            for companion in companions:
                companion.cancel()
            if self._watched.get(key) is asyncio.current_task():
                del self._watched[key]

    async def recover(self, attempt: Attempt) -> None:
        """Begin what was queued when the last owner of the journal ended."""
        async with self.lock(attempt.attempt_id):
            await self._next(attempt)

    async def _next(self, attempt: Attempt) -> None:
        """Begin what is queued. A crash before it is forgotten as a draft does not have it sent
        twice: the turn says which draft it began with."""
        key = attempt.attempt_id
        draft = await self._drafts.get(key)
        if draft is None or not draft.queued:
            return
        steps = (await self._progress.state(attempt)).steps
        begun = plan.begun(steps, plan.last(steps))
        if begun.draft != draft.updated_at:
            try:
                origin = Origin(draft=draft.updated_at)
                await self._begin(attempt, draft.prompt, draft.variant, draft.images, origin)
            except BaseException:
                await self._drafts.unqueue(key)  # for a person to see to
                raise
        await self._drafts.remove(key)

    async def _keep(self, attempt: Attempt) -> None:
        """Commit what a stopped turn has left: its own commit never came."""
        try:
            _, task = await self._catalog.origin(attempt)
            await keep(await self._catalog.worktree(attempt), task.title)
        except (WorkspaceError, Unknown, OSError) as error:
            log.warning("work not committed", attempt=attempt.attempt_id, error=str(error))


async def _logged(doing: Awaitable[None]) -> None:
    try:
        await doing
    except Exception as error:
        log.exception("something beside an attempt failed", redact=str, error=str(error))
