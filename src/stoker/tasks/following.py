"""What an attempt's agent says and does, turn by turn, from the beginning and live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from stoker.agents.store import STREAM, Store, place
from stoker.agents.stream import Entries, Put, decode
from stoker.engine.lifecycle import STEP_OVER
from stoker.process.tail import tail
from stoker.tasks.errors import Unknown
from stoker.tasks.service import Tasks


async def follow(tasks: Tasks, attempt_id: str, turn: int) -> AsyncIterator[Put]:
    """Every state of every entry of a turn's stream, in order; ends with the turn. Raises
    `Unknown`."""
    step_id = f"agent-{turn}"
    attempt = await tasks.attempt(attempt_id)
    state = await tasks.state(attempt_id)
    if step_id not in state.graph.index:
        raise Unknown("turn", f"{attempt_id}/{turn}")
    ended = asyncio.ensure_future(tasks.step_over(attempt_id, step_id))
    entries = Entries()
    rest = b""
    try:
        number = await tasks.step_begun(attempt_id, step_id)
        if number is None:
            return
        directory = place(tasks.run_directory(attempt.run_id), step_id, number)
        path = str(Path(directory, STREAM))
        if not _exists(path):
            if state[step_id].status in STEP_OVER:
                return  # it ended before it had said anything
            Store(directory).create()  # as its driver is about to
        async with aclosing(tail(path, finished=ended)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                *lines, rest = (rest + chunk.data).split(b"\n")
                for line in lines:
                    yield entries.add(decode(line))
    finally:
        ended.cancel()


def _exists(path: str) -> bool:
    return Path(path).exists()
