"""What attempts have made, in git: to be looked at, merged, and given up."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from stoker.journal.base import Journal
from stoker.tasks.catalog import Catalog, TaskChange
from stoker.tasks.checkpoint import subject
from stoker.tasks.model import Attempt, Merge
from stoker.tasks.plan import prompt
from stoker.tasks.store import MERGES
from stoker.tasks.turns import Turns
from stoker.workspace import commit, diff, merge, removal, status
from stoker.workspace.model import BranchStatus, FileDiff, Merged


class Work:
    """Of attempts whose agents are at rest, where it is to be changed."""

    def __init__(self, journal: Journal, catalog: Catalog, turns: Turns) -> None:
        self._journal = journal
        self._catalog = catalog
        self._turns = turns

    async def changes(self, attempt: Attempt, *, contents: bool = True) -> list[FileDiff]:
        """What an attempt has that its target branch had where they parted, committed or not."""
        worktree = await self._catalog.worktree(attempt)
        return await diff.changes(worktree, attempt.target_branch, contents=contents)

    async def patch(self, attempt: Attempt) -> bytes:
        """The same as a text that `git apply` takes."""
        return await diff.patch(await self._catalog.worktree(attempt), attempt.target_branch)

    async def branch_status(self, attempt: Attempt) -> BranchStatus:
        """How an attempt's branch stands to its target and its remote."""
        worktree = await self._catalog.worktree(attempt)
        return await status.status(worktree, attempt.target_branch)

    async def merges(self, attempt: Attempt) -> list[Merge]:
        """Those of an attempt, oldest first."""
        async with self._journal.snapshot() as session:
            return await MERGES.find(session, order="created_at", attempt_id=attempt.attempt_id)

    async def merge(self, attempt_id: str) -> Merged:
        """Squash an attempt's work into its target branch; the task is done then. Raises
        `Conflict` while a turn is under way, `Diverged`, `MergeConflict`, `WorktreeDirty`."""
        async with self._turns.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            self._turns.idle(attempt_id)
            _, task = await self._catalog.origin(attempt)
            worktree = await self._catalog.worktree(attempt)
            await commit.commit(worktree, subject(task.title), break_lock=True)
            merged = await merge.merge(
                worktree.repository,
                attempt.branch,
                attempt.target_branch,
                prompt(task),
                trailers=(("Stoker-Task", task.task_id), ("Stoker-Run", attempt.run_id)),
            )
            async with self._journal.transaction() as session:
                made = Merge(
                    merge_id=str(uuid.uuid4()),
                    attempt_id=attempt_id,
                    target_branch=attempt.target_branch,
                    merge_commit=merged.commit,
                    created_at=time.time(),
                )
                await MERGES.add(session, made)
        await self._catalog.change_task(task.task_id, TaskChange(status="done"))
        return merged

    async def remove_worktree(self, attempt_id: str) -> None:
        """Give an attempt's worktree up; its branch stays, and what was in no commit is backed
        up. A follow-up makes it anew. Raises `Conflict` while a turn is under way."""
        async with self._turns.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            self._turns.idle(attempt_id)
            if _exists(attempt.worktree):
                await removal.remove(await self._catalog.worktree(attempt), attempt.branch)


def _exists(path: str) -> bool:
    return Path(path).exists()
