"""What tests of attempts have in common."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from stoker.agents.stream import UserMessage
from stoker.tasks.catalog import ProjectChange
from stoker.tasks.following import follow

WAIT = {"run": "until [ -e go ]; do sleep 0.01; done; rm go"}
"""For `release`."""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


async def project(tasks, world, **more):
    return await tasks.catalog.create_project("P", str(world.repository), ProjectChange(**more))


async def started(tasks, world, prompt, **more):
    made = (await tasks.catalog.projects() or [await project(tasks, world)])[0]
    more = {"executor": "SCRIPTED", **more}
    return await tasks.starter.create_and_start(made.project_id, prompt, **more)


async def worked(tasks, world, prompt, **more):
    """An attempt whose first turn is over."""
    begun = await started(tasks, world, prompt, **more)
    await tasks.turns.settled(begun.attempt.attempt_id)
    return begun.attempt


async def entries(tasks, attempt_id, turn):
    """What a turn's stream holds, once it is over."""
    found = {}
    async with aclosing(await follow(tasks, attempt_id, turn)) as told:
        async for entry in told:
            found[entry.index] = entry.content
    return list(found.values())


async def told(tasks, attempt_id, turn):
    """What the agent was told in a turn."""
    said = await entries(tasks, attempt_id, turn)
    return next(one for one in said if isinstance(one, UserMessage))


def release(attempt):
    Path(attempt.worktree, "go").touch()


def ends(state):
    return {step.step.id: step.status for step in state.steps}


async def appears(path: Path) -> None:
    """Wait for a file that a process makes; the scenario's deadline bounds it."""
    while not path.exists():
        await asyncio.sleep(0.01)
