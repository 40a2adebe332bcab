"""What an attempt's agent says and does, turn by turn, from the beginning and live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from stoker.agents.follow import batches as records
from stoker.agents.store import STREAM, Store, place
from stoker.agents.stream import Entries, Put, load
from stoker.engine.lifecycle import STEP_OVER
from stoker.engine.state import RunState
from stoker.process.logs import LogWatch
from stoker.tasks.errors import Unknown
from stoker.tasks.model import Attempt
from stoker.tasks.progress import Progress
from stoker.workspace.recovery import there

if TYPE_CHECKING:
    from stoker.tasks.service import Tasks


async def follow(
    tasks: Tasks, attempt_id: str, turn: int, *, watch: LogWatch | None = None
) -> AsyncIterator[Put]:
    """Every state of every entry of a turn's stream, in order; ends with the turn. `watch` as for
    `batches`. Raises `Unknown` before there is anything to iterate."""
    return _each(await batches(tasks, attempt_id, turn, watch=watch))


async def told(tasks: Tasks, attempt_id: str, turn: int) -> list[Put]:
    """Every entry of a turn's stream as it is now. Raises `Unknown`."""
    attempt = await tasks.catalog.attempt(attempt_id)
    state = await tasks.progress.state(attempt)
    step_id = _step(state, attempt_id, turn)
    directory = place(tasks.progress.directory(attempt), step_id, state[step_id].number)
    return (await asyncio.to_thread(load, directory / STREAM)).entries


async def batches(
    tasks: Tasks, attempt_id: str, turn: int, *, watch: LogWatch | None = None
) -> AsyncIterator[Sequence[Put]]:
    """The same, what is there at once together. `watch`: as for `stoker.process.tail.tail`."""
    attempt = await tasks.catalog.attempt(attempt_id)
    state = await tasks.progress.state(attempt)
    return _follow(tasks.progress, attempt, _step(state, attempt_id, turn), watch)


def _step(state: RunState, attempt_id: str, turn: int) -> str:
    if f"agent-{turn}" not in state.graph.index:
        raise Unknown("turn", f"{attempt_id}/{turn}")
    return f"agent-{turn}"


def entries(progress: Progress, attempt: Attempt, step_id: str) -> AsyncIterator[Put]:
    """The same as `follow` of a step that the attempt's run has."""
    return _each(_follow(progress, attempt, step_id, None))


async def _each(found: AsyncIterator[Sequence[Put]]) -> AsyncIterator[Put]:
    async with aclosing(found) as some:  # type: ignore[type-var]
        async for batch in some:
            for put in batch:
                yield put


async def _follow(
    progress: Progress, attempt: Attempt, step_id: str, watch: LogWatch | None
) -> AsyncIterator[Sequence[Put]]:
    ended = asyncio.ensure_future(progress.over(attempt, step_id))
    folded = Entries()
    try:
        number = await progress.begun(attempt, step_id)
        if number is None:
            return
        directory = place(progress.directory(attempt), step_id, number)
        store = Store(directory)
        if not there(store.stream):
            if (await progress.state(attempt))[step_id].status in STEP_OVER:
                return  # it ended before it had said anything
            store.create()  # as its driver is about to
        found = records(directory, finished=ended, watch=watch)
        async with aclosing(found) as told:  # type: ignore[type-var]
            async for batch in told:
                yield list(map(folded.add, batch))
    finally:
        ended.cancel()
