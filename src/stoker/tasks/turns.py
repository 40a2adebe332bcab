"""The turns of an attempt's agent: one at a time, what is said meanwhile waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from msgspec import UNSET

from stoker.agents import warm
from stoker.agents.inbox import Interrupt, Reply, send
from stoker.agents.progress import GRACE_SEC
from stoker.agents.store import place
from stoker.engine.commands import CommandRefused
from stoker.journal.base import RunOver
from stoker.process.tree import end_all
from stoker.tasks import plan
from stoker.tasks.catalog import text
from stoker.tasks.cycle import Cycle
from stoker.tasks.drafts import Written
from stoker.tasks.errors import Conflict, Invalid, Unknown
from stoker.tasks.model import Attempt, Draft, DraftKind, Replaced
from stoker.tasks.plan import Origin
from stoker.workspace.errors import WorktreeDirty
from stoker.workspace.reset import reset
from stoker.workspace.status import entries
from stoker.workspace.worktree import Worktree


class Turns(Cycle):
    """Of the attempts this process drives. Use as an async context manager."""

    async def dismiss(self, attempt: Attempt) -> None:
        """End the attempt's agent, if it waits for a follow-up, and all that it has started.
        Returns when nothing of it is left that could still write."""
        state = self._engine.directory
        warm.end_all(state, self._progress.directory(attempt))
        await end_all(warm.markers(state, attempt.run_id), GRACE_SEC)

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
            if not await self.at_work(attempt):
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
        was queued stays as a draft. Raises `Unknown`, and `RunBusy` if another process sees to
        it."""
        attempt = await self._catalog.attempt(attempt_id)
        handle = self._engine.handle(attempt.run_id)
        if handle is None:
            if not await self.at_work(attempt):
                return
            try:
                handle = await self._engine.resume(attempt.run_id)
            except RunOver:
                return  # it has ended since
            self.watch(attempt, handle)
        await self._drafts.unqueue(attempt_id)
        try:
            await handle.cancel("stopped", by="tasks")
        except CommandRefused:
            return  # it was over already
        await self.settled(attempt_id)

    async def replace(
        self,
        attempt_id: str,
        turn: int,
        prompt: str,
        *,
        variant: str | None = None,
        images: Sequence[str] = (),
        force_when_dirty: bool = False,
        perform_git_reset: bool = True,
    ) -> Replaced:
        """Stop what runs, bring the worktree back to before a turn, and begin another in the place
        of that and all later ones, which are dropped. The agent does not remember those either.
        What is given up is backed up. Raises `Unknown`, `Invalid`, `Conflict`, and `WorktreeDirty`
        for work in no commit, unless `force_when_dirty`. A crash after the reset leaves the turns
        as they were: call it again."""
        text("prompt", prompt)
        await self._images.known(images)
        attempt = await self._catalog.attempt(attempt_id)
        plan.standing((await self._progress.state(attempt)).steps, turn)
        await self.stop(attempt_id)
        async with self.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            await self.idle(attempt)
            await self.dismiss(attempt)  # it remembers what is to be forgotten
            steps = (await self._progress.state(attempt)).steps
            plan.standing(steps, turn)
            before = plan.begun(steps, turn).before or attempt.base_commit
            worktree = await self._catalog.room(attempt)
            dirty = force_when_dirty or not perform_git_reset
            needed = await _differs(worktree, before, dirty=dirty)
            if applied := needed and perform_git_reset:
                await reset(worktree, attempt.branch, before, break_lock=True)
            await self._begin(attempt, prompt, variant, images, Origin(replaces=turn))
            await self._drafts.remove(attempt_id, "retry")
        return Replaced(
            turn=plan.last(steps) + 1,
            deleted_count=plan.shown(steps, turn),
            git_reset_needed=needed,
            git_reset_applied=applied,
            target_before_oid=before or None,
        )

    # What runs beside it.

    async def start_dev_server(self, attempt_id: str) -> str:
        """Serve what is in an attempt's worktree, also while its agent is at work; one that runs
        is stopped first. The step's id. Raises `Unknown`, `Conflict` if the project has no
        script for it."""
        async with self.lock(attempt_id):
            return await self.devservers.start(await self._catalog.attempt(attempt_id))

    async def stop_step(self, attempt_id: str, step_id: str) -> None:
        """End what a step of an attempt has started: a dev server, or the turn under way. Raises
        `Unknown`, `Conflict` if it does not run."""
        attempt = await self._catalog.attempt(attempt_id)
        serves = (plan.role(step_id) or ("", 0))[0] == "devserver"
        own = self.devservers.state if serves else self._progress.state
        state = await own(attempt)
        if state is None or step_id not in state.graph.index:
            raise Unknown("step", step_id)
        if state[step_id].status != "running":
            raise Conflict(f"step {step_id!r} does not run: it is {state[step_id].status}")
        if not serves:
            await self.stop(attempt_id)
            return
        async with self.lock(attempt_id):
            await self.devservers.stop(attempt)

    # What it is to be told next.

    async def draft(self, attempt_id: str, kind: DraftKind = "follow_up") -> Draft | None:
        """What is written down for an attempt's agent."""
        return await self._drafts.get(attempt_id, kind)

    async def remove_draft(self, attempt_id: str, kind: DraftKind = "follow_up") -> bool:
        """Take back what is written down, queued or not; False if nothing is. Raises `Unknown`."""
        await self._catalog.attempt(attempt_id)
        async with self.lock(attempt_id):
            return await self._drafts.remove(attempt_id, kind)

    async def save_draft(
        self, attempt_id: str, kind: DraftKind, **change: Unpack[Written]
    ) -> Draft:
        """Write down what an attempt's agent is to be told, or change that. Raises `Unknown`,
        `Invalid`, and `Conflict` if somebody has changed it since `expected_version`."""
        await self._images.known(change.get("images") or ())
        turn = change.get("retry_turn")
        async with self.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            if kind == "retry":
                before = await self._drafts.get(attempt_id, kind)
                turn = turn or (before.retry_turn if before else None)
                plan.standing((await self._progress.state(attempt)).steps, turn)
            elif turn is not None:
                raise Invalid("retry_turn: a follow-up takes the place of no turn")
            return await self._drafts.save(attempt_id, kind, **change)

    async def queue_draft(
        self,
        attempt_id: str,
        queued: bool,
        *,
        expected_queued: bool | None = None,
        expected_version: int | None = None,
    ) -> Draft:
        """Have the follow-up that is written down sent as soon as the agent is idle (at once, if
        it is), or not. Returns it as it is, or was when it was sent. Raises `Unknown`, `Invalid`
        if nothing is written down, and `Conflict` if it is not as expected."""
        expected: Any = {"expected_queued": expected_queued, "expected_version": expected_version}
        async with self.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            draft = await self._drafts.save(attempt_id, "follow_up", queued=queued, **expected)
            if not await self.at_work(attempt):
                await self._next(attempt)
        return draft


async def _differs(worktree: Worktree, commit: str, *, dirty: bool) -> bool:
    """Whether a worktree is not as it was at a commit. Raises `WorktreeDirty` for what is in no
    commit, unless `dirty`."""
    found = await entries(worktree.git)
    if found.dirty and not dirty:
        raise WorktreeDirty(str(worktree.path), (*found.tracked, *found.untracked))
    return found.head != commit or found.dirty or worktree.operation() is not None
