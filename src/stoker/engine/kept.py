"""Processes that a kind talks with and that outlive the engine: started, or adopted again.

A kind that is one process and nothing else gives the engine a `ProcessWork`; this is for
those that also have something to do while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from stoker.process.spawner import Child, Spawner
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
    from stoker.process.keeper import has_begun

    handle = engine.handle(attempt.run_id)
    assert handle is not None  # noqa: S101 - the attempt is its
    kept = KeptProcess(lambda: handle.run.suspended)
    found = None
    place, on_exit = spec.keeper_dir or "", kept.ended.set_result
    if attempt.resumed or has_begun(place):
        found = await adopted(engine.spawner, place, spec.marker, on_exit)
    if isinstance(found, Exit):
        kept.ended.set_result(found)
    else:
        kept.child = found or engine.spawner.spawn(spec, kept.ended.set_result, attempt.redactor)
    return kept


async def adopted(
    spawner: Spawner, place: str, marker: str, on_exit: Callable[[Exit], None]
) -> Child | Exit | None:
    """The process that a dead engine started under the keeper at `place`, or its end; None if it
    had not come to start it, and nothing with `marker` is left."""
    from stoker.process.keeper import has_begun

    found = spawner.adopt(place, on_exit)
    if found is None:
        # Its keeper was being started, or is gone, but not perhaps what it kept.
        while not has_begun(place) and marked(marker):  # noqa: ASYNC110 - nobody's child
            await asyncio.sleep(_KEEPER_DELAY_SEC)
        found = spawner.adopt(place, on_exit)
    if found is None:
        await end_all(marker)
        found = Exit(cause="lost") if has_begun(place) else None
    return found
