"""What attempts have made, in git: to be looked at, merged, and given up."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stoker.journal.base import Journal
from stoker.tasks.catalog import Catalog, TaskChange
from stoker.tasks.checkpoint import keep
from stoker.tasks.model import Attempt, Merge, Project, Task
from stoker.tasks.plan import prompt
from stoker.tasks.store import ATTEMPTS, MERGES, TASKS
from stoker.tasks.trailers import trailers
from stoker.tasks.turns import Turns
from stoker.workspace import backup, commit, diff, merge, rebase, remote, removal, search, status
from stoker.workspace.model import (
    Backup,
    BranchStatus,
    Committed,
    Comparison,
    FileDiff,
    Match,
    Merged,
)
from stoker.workspace.recovery import there
from stoker.workspace.remote import Credentials, Pushed
from stoker.workspace.worktree import Worktree


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

    @asynccontextmanager
    async def _at_rest(self, attempt_id: str) -> AsyncIterator[tuple[Attempt, Worktree]]:
        """While entered, no turn begins. Raises `Unknown`, `Conflict` while one is under way."""
        async with self._turns.lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            await self._turns.idle(attempt)
            yield attempt, await self._catalog.room(attempt)

    async def _commit(self, attempt: Attempt, worktree: Worktree) -> Task:
        """What lies about in the worktree is work, too."""
        _, task = await self._catalog.origin(attempt)
        await keep(worktree, task.title)
        return task

    async def merge(self, attempt_id: str) -> Merged:
        """Squash an attempt's work into its target branch; the task is done then. Raises
        `Conflict` while a turn is under way, `Diverged`, `WorktreeDirty`."""
        async with self._at_rest(attempt_id) as (attempt, worktree):
            task = await self._commit(attempt, worktree)
            merged = await merge.merge(
                worktree.repository,
                attempt.branch,
                attempt.target_branch,
                prompt(task),
                trailers=(*trailers(task, attempt), ("Stoker-Run", attempt.run_id)),
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

    async def rebase(
        self, attempt_id: str, *, onto: str | None = None, old_base: str | None = None
    ) -> Backup:
        """Put an attempt's commits onto the branch `onto`, which is its target from then on;
        default: the target it has. What `old_base` has (default: its target so far) is left out.
        Returns what keeps the commits as they were. Raises `MergeConflict`, and then the rebase
        waits: for the agent, or for `continue_rebase` or `abort_conflicts`; `RebaseInProgress`,
        `UnknownBranch`, `Conflict`. A crash leaves a rebase to be continued or aborted."""
        async with self._at_rest(attempt_id) as (attempt, worktree):
            goal = onto or attempt.target_branch
            await worktree.repository.base(goal)
            await self._commit(attempt, worktree)
            if goal != attempt.target_branch:
                await self._catalog.retarget(attempt_id, goal)
            base = old_base or attempt.target_branch
            return await rebase.rebase(worktree, goal, old_base=base, name=attempt.branch)

    async def continue_rebase(self, attempt_id: str) -> None:
        """Go on with what stopped at conflicts, once they are resolved in the files. Raises
        `NoOperationInProgress`, `MergeConflict`, `UnsafeOperation`, `Conflict`."""
        async with self._at_rest(attempt_id) as (_, worktree):
            await rebase.resume(worktree)

    async def abort_conflicts(self, attempt_id: str) -> Backup:
        """Go back to before the rebase (or merge, ...) that stopped at conflicts; returns what
        keeps what was resolved. Raises `NoOperationInProgress`, `Conflict`."""
        async with self._at_rest(attempt_id) as (attempt, worktree):
            return await rebase.abort(worktree, name=attempt.branch)

    async def push(
        self, attempt_id: str, *, force: bool = False, credentials: Credentials | None = None
    ) -> Pushed:
        """Push an attempt's branch to `origin`; `force`: over what was last seen there. Raises
        `PushRejected`, `AuthFailed`, `RemoteUnreachable`, `RemoteFailed`, `Conflict`."""
        async with self._at_rest(attempt_id) as (attempt, worktree):
            await self._commit(attempt, worktree)
            return await remote.push(
                worktree.repository, attempt.branch, force=force, credentials=credentials
            )

    async def change_target(self, attempt_id: str, branch: str) -> BranchStatus:
        """Have an attempt's work go to another branch; how it stands to that. Commits stay where
        they are. Raises `Unknown`, `UnknownBranch`."""
        attempt = await self._catalog.attempt(attempt_id)
        await (await self._catalog.home(attempt)).branch_ref(branch)
        await self._catalog.room(attempt)
        return await self.branch_status(await self._catalog.retarget(attempt_id, branch))

    async def delete_file(self, attempt_id: str, path: str) -> Committed:
        """Delete a file of the worktree and commit that alone. Raises `UnsafePath` for what is no
        file in it, `Conflict`."""
        async with self._at_rest(attempt_id) as (_, worktree):
            return await commit.delete_file(worktree, path)

    async def commit_info(self, attempt: Attempt, sha: str) -> tuple[str, str]:
        """A commit's full id and subject. Raises `UnknownCommit`."""
        home = await self._catalog.home(attempt)
        oid = await home.commit(sha)
        return oid, await home.subject(oid)

    async def compare(self, attempt: Attempt, sha: str) -> Comparison:
        """How an attempt's HEAD stands to a commit. Raises `UnknownCommit`."""
        return await status.compare(await self._catalog.worktree(attempt), sha)

    async def children(self, attempt_id: str) -> tuple[Task | None, Attempt, list[Task]]:
        """The task whose attempt has led to this one's, the attempt, and the tasks it has led to,
        oldest first. Raises `Unknown`."""
        attempt = await self._catalog.attempt(attempt_id)
        _, task = await self._catalog.origin(attempt)
        async with self._journal.snapshot() as session:
            children = await TASKS.find(session, order="created_at", parent_attempt_id=attempt_id)
            above = await ATTEMPTS.get(session, task.parent_attempt_id or "")
            parent = await TASKS.get(session, above.task_id) if above else None
        return parent, attempt, children

    async def backups(self, attempt: Attempt) -> list[Backup]:
        """What was given up in an attempt's worktree, the newest first."""
        return await backup.backups(await self._catalog.home(attempt), attempt.branch)

    async def restore(self, attempt_id: str, ref: str) -> Backup:
        """Bring an attempt's branch and worktree back to a backup, of its own or of another of the
        repository; returns one of what was there. Raises `UnknownCommit`, `Conflict`."""
        async with self._at_rest(attempt_id) as (_, worktree):
            found = await backup.find(worktree.repository, ref)
            return await backup.restore(worktree, found, break_lock=True)

    async def search(
        self, project: Project, query: str, *, attempt: Attempt | None = None, limit: int = 50
    ) -> list[Match]:
        """Files and directories with `query` in their names, in the repository's own checkout or
        an attempt's worktree."""
        if attempt is not None:
            git = (await self._catalog.worktree(attempt)).git
        else:
            git = Worktree.main(await self._catalog.repository(project)).git
        return await search.search(git, query, limit=limit)

    async def remove_worktree(self, attempt_id: str) -> None:
        """Remove an attempt's worktree; its branch stays, and what was in no commit is backed up.
        A follow-up makes it anew. Raises `Unknown`, `Conflict` while a turn is under way, and
        `WorktreeDirty` if there are repositories in it, which cannot be backed up."""
        async with self._turns.lock(attempt_id):
            await self.give_up(await self._catalog.attempt(attempt_id))

    async def give_up(self, attempt: Attempt) -> None:
        """The same, for who holds the attempt's lock."""
        await self._turns.idle(attempt)
        await self._turns.dismiss(attempt)
        await self._turns.devservers.stop(attempt)
        if there(attempt.worktree):
            await removal.remove(await self._catalog.worktree(attempt), attempt.branch)
