"""What people are told of attempts: the ends of turns, requests for approval, pull requests."""

from __future__ import annotations

import time
from typing import Final

from stoker.agents.stream import Approval
from stoker.tasks import plan
from stoker.tasks.catalog import Catalog
from stoker.tasks.following import entries
from stoker.tasks.model import Attempt, PullRequest
from stoker.tasks.notifier import Notice, NoticeEvent, Notifier
from stoker.tasks.progress import Progress
from stoker.tasks.turns import Turns

_ENDED: Final = {"succeeded": "the agent is done", "canceled": "the agent was stopped"}


class Notices:
    """Makes notices, and has them told beside everything else."""

    def __init__(
        self, notifier: Notifier, catalog: Catalog, turns: Turns, progress: Progress
    ) -> None:
        self._notifier = notifier
        self._catalog = catalog
        self._turns = turns
        self._progress = progress
        self._since = time.time()

    async def along(self, attempt: Attempt) -> None:
        """Follow a turn, to tell of what its agent asks."""
        if not self._notifier.wanted("approval_asked"):
            return
        state = await self._progress.state(attempt)
        told: set[str] = set()
        async for entry in entries(self._progress, attempt, f"agent-{plan.last(state.steps)}"):
            asked = entry.content
            # What was asked of an earlier process, that one has told.
            if not isinstance(asked, Approval) or asked.answer or entry.time < self._since:
                continue
            if asked.id not in told:
                told.add(asked.id)
                await self._tell("approval_asked", attempt, f"asks: {asked.title}")

    async def over(self, attempt: Attempt) -> None:
        """A turn has ended."""
        if not self._notifier.wanted("turn_ended"):
            return
        step = plan.ended((await self._progress.state(attempt)).steps)
        if step is not None:
            text = _ENDED.get(step.status, f"the agent {step.status}: {step.reason or ''}")
            await self._tell("turn_ended", attempt, text)

    async def pull_request(self, pull: PullRequest, comments: int) -> None:
        """One has changed."""
        attempt = await self._catalog.attempt(pull.attempt_id)
        text = f"pull request #{pull.number} is {pull.status}"
        if comments:
            text += f", with {comments} new comment{'' if comments == 1 else 's'}"
        await self._tell("pull_request", attempt, text, url=pull.url)

    async def _tell(
        self, event: NoticeEvent, attempt: Attempt, text: str, *, url: str | None = None
    ) -> None:
        if not self._notifier.wanted(event):
            return
        _, task = await self._catalog.origin(attempt)
        notice = Notice(
            event=event,
            title=task.title,
            text=text,
            time=time.time(),
            project_id=task.project_id,
            task_id=task.task_id,
            attempt_id=attempt.attempt_id,
            url=url,
        )
        self._turns.aside(self._notifier.tell(notice))
