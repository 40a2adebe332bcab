"""Attempts and the code host of their repository: pushes, pull requests, reviews, issues.

What the host knows is asked for when somebody asks here (`refresh`); what it said last is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from msgspec.structs import asdict, replace

from stoker.hosting import model as hosted
from stoker.hosting.client import Client
from stoker.hosting.errors import AlreadyExists, HostError, HostingError
from stoker.hosting.webhook import About
from stoker.journal.base import Journal
from stoker.log import get_logger
from stoker.tasks import plan, proposal
from stoker.tasks.catalog import Catalog, TaskChange
from stoker.tasks.errors import Conflict, Unknown
from stoker.tasks.host import REMOTE, Host
from stoker.tasks.model import Attempt, Project, PullRequest, Refreshed, Task
from stoker.tasks.progress import Progress
from stoker.tasks.store import PULL_REQUESTS
from stoker.tasks.trailers import note, trailers
from stoker.tasks.turns import Turns
from stoker.tasks.work import Work
from stoker.toml_file import BadFile
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.remote import Pushed
from stoker.workspace.repository import Repository

log = get_logger(__name__)

_SKEW_SEC: Final = 3600.0
"""By how much a host's clock may be behind."""

Listener = Callable[[PullRequest, int], Awaitable[None]]
"""Told of a pull request that is new or has changed, and how many new comments it has."""


class Pulls:
    """Of the attempts of one journal."""

    def __init__(
        self,
        journal: Journal,
        catalog: Catalog,
        turns: Turns,
        progress: Progress,
        work: Work,
        directory: Path,
    ) -> None:
        """`directory`: of the state; it may have a `hosting.toml`."""
        self._journal = journal
        self._catalog = catalog
        self._turns = turns
        self._progress = progress
        self._work = work
        self._host = Host(directory)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.listeners: list[Listener] = []

    async def of(self, attempt_id: str) -> list[PullRequest]:
        """Those of an attempt, as they were when they were last asked for; oldest first."""
        async with self._journal.snapshot() as session:
            return await PULL_REQUESTS.find(session, order="created_at", attempt_id=attempt_id)

    async def attempts_of(self, about: About) -> list[str]:
        """Those with this pull request."""
        async with self._journal.snapshot() as session:
            found = await PULL_REQUESTS.find(session, number=about.number)
        part = f"/{about.repository}/"
        return [one.attempt_id for one in found if part in urlsplit(one.url).path]

    @asynccontextmanager
    async def _hosted(self, attempt: Attempt) -> AsyncIterator[tuple[Client, hosted.Remote]]:
        """The code host of an attempt's repository."""
        repository = await self._catalog.home(attempt)
        async with self._host.api(repository) as found:
            yield found

    # Every method below raises `Unknown`, `Conflict`, `HostingError`, `WorkspaceError`, `BadFile`.

    async def push(self, attempt_id: str, *, force: bool = False) -> Pushed:
        """Push an attempt's branch, with what its worktree has in no commit yet. `force`: over
        what was last seen there, as after a rebase."""
        home = await self._catalog.home(await self._catalog.attempt(attempt_id))
        async with self._host.credentials(home) as token:
            return await self._work.push(attempt_id, force=force, credentials=token)

    async def create(
        self,
        attempt_id: str,
        *,
        title: str | None = None,
        body: str | None = None,
        target_branch: str | None = None,
        draft: bool = False,
    ) -> PullRequest:
        """Push an attempt's branch and open a pull request for it, or take up the one that it
        has. Default: title and body from task and commits, the attempt's own target branch."""
        async with self._lock(attempt_id):
            await self.push(attempt_id)
            attempt = await self._catalog.attempt(attempt_id)
            project, task = await self._catalog.origin(attempt)
            await self._open_issue(attempt)
            task = await self._catalog.task(task.task_id)
            async with self._hosted(attempt) as (client, where):
                commits = await _subjects(await self._catalog.repository(project), attempt)
                wanted = hosted.NewPullRequest(
                    title=title or proposal.title(task),
                    body=proposal.body(task, attempt, commits, where) if body is None else body,
                    source=attempt.branch,
                    target=target_branch or attempt.target_branch.removeprefix(f"{REMOTE}/"),
                    draft=draft,
                )
                try:
                    told = await client.create(wanted)
                except AlreadyExists:
                    found = await client.find(attempt.branch)
                    if found is None:
                        raise
                    return await self._keep(attempt, found)
                kept = await self._keep(attempt, told)
                if project.reviewers:
                    await _request_reviews(client, told, project)
            return kept

    async def attach(self, attempt_id: str) -> PullRequest:
        """Take up the pull request that the attempt's branch has, whoever opened it. Raises
        `Unknown` if it has none."""
        async with self._lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            async with self._hosted(attempt) as (client, _):
                found = await client.find(attempt.branch)
            if found is None:
                raise Unknown("pull request of branch", attempt.branch)
            return await self._keep(attempt, found)

    async def refresh(self, attempt_id: str, *, follow_up: bool = True) -> Refreshed:
        """Ask the host how an attempt's pull request stands: merged, the task is done; new review
        comments are told to the agent, if `follow_up`. Raises `Unknown` if it has none."""
        async with self._lock(attempt_id):
            attempt = await self._catalog.attempt(attempt_id)
            before = _current(await self.of(attempt_id))
            if before is None:
                raise Unknown("pull request of attempt", attempt_id)
            async with self._hosted(attempt) as (client, _):
                told = await client.get(before.number)
                comments = await client.comments(before.number) if told.status == "open" else []
            seen = before.seen.split()
            new = [one for one in comments if one.id not in seen]
            trusted = [one for one in new if one.trusted]
            started = None
            if follow_up and trusted:
                prompt = proposal.prompt(before, trusted)
                started = await self._turns.follow_up(attempt_id, prompt)
            if follow_up:  # only now: after a crash the agent is told twice rather than never
                seen += [one.id for one in new]
            count = len(trusted) if follow_up else 0
            kept = await self._keep(attempt, told, seen=" ".join(seen), comments=count)
        return Refreshed(
            pull_request=kept,
            new_comments=trusted,
            untrusted=len(new) - len(trusted),
            started=started,
        )

    # What happens by itself.

    async def begun(self, attempt: Attempt) -> None:
        """Open an issue for the task, if its project says so and it has none."""
        try:
            async with self._lock(attempt.attempt_id):
                await self._open_issue(attempt)
        except (HostingError, WorkspaceError, BadFile, Unknown) as error:
            log.warning("no issue opened", attempt=attempt.attempt_id, error=str(error))

    async def over(self, attempt: Attempt) -> None:
        """Propose what a turn has made, if its project says so: push, and open a pull request."""
        key = attempt.attempt_id
        try:
            project, _ = await self._catalog.origin(attempt)
            if not project.auto_pull_request or self._turns.busy(key):
                return
            ended = plan.ended((await self._progress.state(attempt)).steps)
            if ended is None or ended.status != "succeeded":
                return
            if not await _subjects(await self._catalog.repository(project), attempt):
                return
            current = _current(await self.of(key))
            if current is not None and current.status == "open":  # as far as is known
                current = (await self.refresh(key, follow_up=False)).pull_request
            if current is not None and current.status == "open":
                await self.push(key)
            else:
                await self.create(key)
        except (HostingError, WorkspaceError, BadFile, Unknown, Conflict) as error:
            log.warning("work not proposed", attempt=key, error=str(error))

    async def _open_issue(self, attempt: Attempt) -> None:
        project, task = await self._catalog.origin(attempt)
        if not project.open_issue:
            return
        async with self._lock(task.task_id):  # two attempts may begin at once
            task = await self._catalog.task(task.task_id)
            if task.issue_url is None:
                async with self._hosted(attempt) as (client, _):
                    # One that was opened before a crash, and is not written down, has the mark.
                    since = task.created_at - _SKEW_SEC
                    issue = await client.find_issue(
                        proposal.mark(task), since
                    ) or await client.create_issue(proposal.title(task), proposal.issue(task))
                change = TaskChange(issue_url=issue.url)
                task = await self._catalog.change_task(task.task_id, change)
        await self._note(task, attempt)

    async def _note(self, task: Task, attempt: Attempt) -> None:
        if Path(attempt.worktree).exists():  # noqa: ASYNC240
            note(await self._catalog.worktree(attempt), trailers(task, attempt))

    async def _keep(
        self,
        attempt: Attempt,
        told: hosted.PullRequest,
        *,
        seen: str | None = None,
        comments: int = 0,
    ) -> PullRequest:
        """Write down what the host said, see to the task, and tell the listeners."""
        now = time.time()
        key = f"{attempt.attempt_id}/{told.number}"
        async with self._journal.transaction() as session:
            before = await PULL_REQUESTS.get(session, key)
            record = PullRequest(
                **asdict(told),
                pull_request_id=key,
                attempt_id=attempt.attempt_id,
                seen=seen if seen is not None else before.seen if before else "",
                created_at=before.created_at if before else now,
                updated_at=now,
            )
            if before is None:
                await PULL_REQUESTS.add(session, record)
            elif replace(record, updated_at=before.updated_at) == before:
                record = before
            else:
                await PULL_REQUESTS.put(session, record)
        merged = record.status == "merged"
        if merged and (before is None or before.status != "merged"):
            await self._catalog.change_task(attempt.task_id, TaskChange(status="done"))
        if before is None or before.status != record.status or comments:
            for listener in self.listeners:
                await listener(record, comments)
        return record

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())


def _current(found: list[PullRequest]) -> PullRequest | None:
    """The open one, else the newest."""
    return max(found, key=lambda one: (one.status == "open", one.number), default=None)


async def _subjects(repository: Repository, attempt: Attempt) -> list[str]:
    """Of the commits that an attempt has and its target has not, oldest first."""
    base, branch = await repository.base(attempt.target_branch), f"refs/heads/{attempt.branch}"
    args = ("log", "--reverse", "--no-merges", "--no-show-signature", "--format=%s")
    return (await repository.git.text(*args, f"{base}..{branch}", "--")).splitlines()


async def _request_reviews(client: Client, told: hosted.PullRequest, project: Project) -> None:
    """It is open already: that nobody could be asked is no reason to say it is not."""
    try:
        await client.request_reviews(told.number, project.reviewers)
    except HostError as error:
        log.warning("no reviews requested", url=told.url, error=str(error))
