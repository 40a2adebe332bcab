"""How attempts stand: their runs, as they are and as they go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from stoker.engine.engine import Engine
from stoker.engine.lifecycle import STEP_OVER
from stoker.engine.state import RunState
from stoker.engine.view import read_run
from stoker.tasks.model import Attempt


class Progress:
    """Of the attempts of one journal, whoever drives their runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def state(self, attempt: Attempt) -> RunState:
        """How an attempt's run stands, step by step."""
        if handle := self._engine.handle(attempt.run_id):
            return handle.state
        return (await read_run(self._engine.journal, attempt.run_id)).state

    def directory(self, attempt: Attempt) -> Path:
        """Where the files of an attempt's run are."""
        return self._engine.directory / "runs" / attempt.run_id

    def leaving(self, run_id: str) -> bool:
        """Whether the engine lets go of a run, which may go on later."""
        handle = self._engine.handle(run_id)
        return handle is None or handle.run.suspended

    async def begun(self, attempt: Attempt, step_id: str) -> int | None:
        """The number of a step's last attempt, once it has begun one; None if it never will."""
        async for state in self._standings(attempt):
            step = state[step_id]
            if step.number:
                return step.number
            if step.status in STEP_OVER:
                return None
        return None

    async def over(self, attempt: Attempt, step_id: str) -> None:
        """Returns when a step has settled, or nobody drives the run any more."""
        async for state in self._standings(attempt):
            if state[step_id].status in STEP_OVER:
                return

    async def _standings(self, attempt: Attempt) -> AsyncIterator[RunState]:
        """How a run stands now, and with every event until it is over."""
        handle = self._engine.handle(attempt.run_id)
        if handle is None:
            yield await self.state(attempt)
            return
        yield handle.state
        async for _ in handle.events(handle.state.sequence):
            yield handle.state
