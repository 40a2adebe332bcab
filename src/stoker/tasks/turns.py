"""The turns of an attempt's agent: one at a time, what is said meanwhile waits.

When a turn is over, however it ended, what it has left in the worktree is committed; then
the task is in review, the listeners are told, and a follow-up that waits is begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Self
from weakref import WeakValueDictionary

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from stoker.agents.inbox import Interrupt, Reply, send
from stoker.agents.store import place
from stoker.engine.commands import CommandRefused
from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.journal.base import Journal
from stoker.log import get_logger
from stoker.tasks import plan
from stoker.tasks.catalog import Catalog, TaskChange, text
from stoker.tasks.checkpoint import subject
from stoker.tasks.drafts import Drafts
from stoker.tasks.errors import Conflict, Invalid, Unknown
from stoker.tasks.images import Images
from stoker.tasks.model import Attempt, Draft, DraftKind
from stoker.tasks.plan import Origin, Turn
from stoker.tasks.progress import Progress
from stoker.tasks.trailers import note, noted, trailers
from stoker.workspace import commit
from stoker.workspace.errors import WorkspaceError

log = get_logger(__name__)

_LEAVING_SEC: Final = 10.0

Listener = Callable[[Attempt], Awaitable[None]]
"""Told that an attempt's turn is over and its work kept."""


class Turns:
    """Of the attempts this process drives. Use as an async context manager."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        catalog: Catalog,
        progress: Progress,
        images: Images,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._progress = progress
        self._images = images
        self._drafts = Drafts(journal)
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

    def idle(self, attempt_id: str) -> None:
        """Raises `Conflict` while a turn is under way."""
        if self.busy(attempt_id):
            raise Conflict("the attempt's agent is at work: stop it, or wait for it, first")

    # What the agent is told.

    async def follow_up(
        self,
        attempt_id: str,
        prompt: str,
        *,
        variant: str | None = None,
        images: Sequence[str] = (),
    ) -> bool:
        """Tell an attempt's agent more: True if it is at work on it now, False if it is queued
        until the turn under way is over. Raises `Unknown`, `Conflict`, `Invalid`."""
        text("prompt", prompt)
        await self._images.known(images)
        async with self.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            if not self.busy(attempt_id):
                await self._begin(attempt, prompt, variant, images)
                return True
            await self._drafts.save(
                attempt_id,
                "follow_up",
                prompt=prompt,
                variant=UNSET if variant is None else variant,
                images=images,
                add=True,
                queued=True,
            )
        return False

    async def tell(self, attempt_id: str, turn: int, message: Reply | Interrupt) -> None:
        """Answer or interrupt an agent at work. Raises `Unknown`, `Conflict`."""
        attempt = await self._catalog.attempt(attempt_id)
        state = await self._progress.state(attempt)
        step_id = f"agent-{turn}"
        if step_id not in state.graph.index or state[step_id].status != "running":
            raise Conflict(f"turn {turn} is not under way")
        directory = place(self._progress.directory(attempt), step_id, state[step_id].number)
        try:
            send(directory, message)
        except FileNotFoundError:
            raise Conflict(f"turn {turn} has not begun yet") from None

    async def stop(self, attempt_id: str) -> None:
        """End the turn under way, its processes and all; what the agent has done is kept. What
        was queued stays as a draft. Raises `Unknown`."""
        attempt = await self._catalog.attempt(attempt_id)
        handle = self._engine.handle(attempt.run_id)
        if handle is None:
            return
        await self._drafts.unqueue(attempt_id)
        try:
            await handle.cancel("stopped", by="tasks")
        except CommandRefused:
            return  # it was over already
        await self.settled(attempt_id)

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

    # What it is to be told next.

    async def draft(self, attempt_id: str, kind: DraftKind = "follow_up") -> Draft | None:
        """What is written down for an attempt's agent."""
        return await self._drafts.get(attempt_id, kind)

    async def remove_draft(self, attempt_id: str, kind: DraftKind = "follow_up") -> bool:
        """Take back what is written down, queued or not; False if nothing is."""
        async with self.lock(attempt_id):
            return await self._drafts.remove(attempt_id, kind)

    async def save_draft(
        self,
        attempt_id: str,
        kind: DraftKind,
        *,
        prompt: str | None = None,
        variant: str | UnsetType | None = UNSET,
        images: Sequence[str] | None = None,
        retry_turn: int | None = None,
        expected_version: int | None = None,
    ) -> Draft:
        """Write down what an attempt's agent is to be told, or change that; what is not given
        stays. `retry_turn`: of a retry, the turn it is to take the place of. Raises `Unknown`,
        `Invalid`, and `Conflict` if somebody has changed it since `expected_version`."""
        await self._images.known(images or ())
        async with self.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            if kind == "retry":
                before = await self._drafts.get(attempt_id, kind)
                turn = retry_turn or (before.retry_turn if before else None)
                plan.standing((await self._progress.state(attempt)).steps, turn)
            elif retry_turn is not None:
                raise Invalid("retry_turn: a follow-up takes the place of no turn")
            return await self._drafts.save(
                attempt_id,
                kind,
                prompt=prompt,
                variant=variant,
                images=images,
                retry_turn=retry_turn,
                expected_version=expected_version,
            )

    async def queue_draft(
        self,
        attempt_id: str,
        queued: bool,
        *,
        expected_version: int | None = None,
        expected_queued: bool | None = None,
    ) -> Draft:
        """Have the follow-up that is written down sent as soon as the agent is idle (at once, if
        it is), or not. Returns it as it is, or was when it was sent. Raises `Unknown`, `Invalid`
        if nothing is written down, and `Conflict` if it is not as expected."""
        async with self.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            draft = await self._drafts.save(
                attempt_id,
                "follow_up",
                queued=queued,
                expected_version=expected_version,
                expected_queued=expected_queued,
            )
            if not self.busy(attempt_id):
                await self._next(attempt)
        return draft

    # One turn after the other.

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
        turn = Turn(
            prompt=prompt,
            executor=attempt.executor,
            variant=variant or attempt.variant,
            session=plan.session(steps),
            continues=plan.before(steps),
            images=await self._images.place(attempt.worktree, images),
            origin=replace(origin or Origin(), before=await worktree.head() or ""),
        )
        more = plan.follow_up(project, task, plan.last(steps) + 1, turn)
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
        state = await self._progress.state(attempt)
        begun = plan.origin(state[f"agent-{plan.last(state.steps)}"])
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
            worktree = await self._catalog.worktree(attempt)
            await commit.commit(
                worktree, subject(task.title), trailers=noted(worktree), break_lock=True
            )
        except (WorkspaceError, Unknown, OSError) as error:
            log.warning("work not committed", attempt=attempt.attempt_id, error=str(error))


async def _logged(doing: Awaitable[None]) -> None:
    try:
        await doing
    except Exception as error:
        log.exception("something beside an attempt failed", redact=str, error=str(error))
