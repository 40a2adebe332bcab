"""What agents wait for a person to allow, in all attempts."""

from __future__ import annotations

import asyncio

from stoker.agents.pending import pending
from stoker.agents.store import place
from stoker.agents.stream import Approval
from stoker.tasks import listing
from stoker.tasks.model import Asked
from stoker.tasks.plan import agents
from stoker.tasks.service import Tasks


async def asked(tasks: Tasks) -> list[Asked]:
    """By attempts, the newest first. Costs a small file for each agent at work."""
    found = []
    for one in await listing.attempts(tasks.engine, active=True, limit=10_000):
        attempt = one.attempt
        state = await tasks.progress.state(attempt)
        for turn, step in agents(state.steps).items():
            if step.status != "running":
                continue
            directory = place(tasks.progress.directory(attempt), step.step.id, step.number)
            for entry in await asyncio.to_thread(pending, directory):
                assert isinstance(entry.content, Approval)  # noqa: S101 - what `pending` gives
                found.append(
                    Asked(
                        attempt_id=attempt.attempt_id,
                        task_id=attempt.task_id,
                        project_id=one.project_id,
                        turn=turn,
                        asked_at=entry.time,
                        approval=entry.content,
                    )
                )
    return found
