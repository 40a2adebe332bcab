"""Processes that a kind talks with and that outlive the engine: started, or adopted again.

A kind that is one process and nothing else gives the engine a `ProcessWork`; this is for
those that also have something to do while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from stoker.process.spawner import Child
from stoker.process.spec import Exit, ProcessSpec
from stoker.process.tree import end_all, marked

if TYPE_CHECKING:
    from stoker.engine.attempt import LiveAttempt
    from stoker.engine.engine import Engine

_KEEPER_DELAY_SEC = 0.01


class KeptProcess:
    """See `stoker.engine.kinds.Kept`."""

    def __init__(self, leaving: Callable[[], bool]) -> None:
        self.ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.child: Child | None = None
        self._leaving = leaving

    @property
    def leaving(self) -> bool:
        return self._leaving()

    def stop(self, grace: float | None = None) -> None:
        if self.child is not None and not self.ended.done():
            self.child.stop(grace)


async def keep(engine: Engine, attempt: LiveAttempt, spec: ProcessSpec) -> KeptProcess:
    """See `Attempt.keep`."""
    handle = engine.handle(attempt.run_id)
    assert handle is not None  # noqa: S101 - the attempt is its
    kept = KeptProcess(lambda: handle.run.suspended)
    found = await _adopted(engine, spec, kept) if attempt.resumed else None
    if isinstance(found, Exit):
        kept.ended.set_result(found)
    else:
        kept.child = found or engine.spawner.spawn(spec, kept.ended.set_result, attempt.redactor)
    return kept


async def _adopted(engine: Engine, spec: ProcessSpec, kept: KeptProcess) -> Child | Exit | None:
    """The process a dead engine started, or its end; None if it had not come to start it."""
    from stoker.process.keeper import has_begun

    place = spec.keeper_dir or ""
    found = engine.spawner.adopt(place, kept.ended.set_result)
    if found is None:
        # Its keeper was being started, or is gone, but not perhaps what it kept.
        while not has_begun(place) and marked(spec.marker):  # noqa: ASYNC110 - nobody's child
            await asyncio.sleep(_KEEPER_DELAY_SEC)
        found = engine.spawner.adopt(place, kept.ended.set_result)
    if found is None and has_begun(place):
        await end_all(spec.marker)
        found = Exit(cause="lost")
    return found
