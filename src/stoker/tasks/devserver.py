"""Dev servers: a project's script that serves what is in an attempt's worktree, until it is
stopped. It goes on while no engine runs, as agents do.

Those of an attempt are the steps `devserver-1`, `devserver-2`, ... of one run beside the attempt's
own, so that they never keep a turn or a merge waiting.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from stoker.engine.commands import CommandRefused
from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.options import RunOptions
from stoker.engine.state import RunState
from stoker.engine.view import read_run
from stoker.journal import events as ev
from stoker.journal.base import JournalError, UnknownRun
from stoker.log import get_logger
from stoker.plan import loader
from stoker.plan.errors import PlanError
from stoker.tasks import plan
from stoker.tasks.catalog import Catalog
from stoker.tasks.errors import Conflict
from stoker.tasks.model import Attempt
from stoker.tasks.store import OVER

log = get_logger(__name__)


class DevServers:
    """Of all attempts on one engine. At most one of an attempt runs."""

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self._engine = engine
        self._catalog = catalog

    async def state(self, attempt: Attempt) -> RunState | None:
        """The run of an attempt's dev servers; None before the first."""
        if handle := self._engine.handle(run_id(attempt)):
            return handle.state
        try:
            return (await read_run(self._engine.journal, run_id(attempt))).state
        except UnknownRun:
            return None

    async def start(self, attempt: Attempt) -> str:
        """Start one, in the place of one that runs; the id of its step. For who holds the
        attempt's lock. Raises `Conflict` if the project has no script for it."""
        project, task = await self._catalog.origin(attempt)
        if not project.dev_script:
            raise Conflict("the project has no dev_script")
        await self._catalog.room(attempt)
        await self.stop(attempt)
        before = await self.state(attempt)
        number = len(before.steps) + 1 if before else 1
        step = plan.script(f"devserver-{number}", project.dev_script, project)
        step |= {"on_interrupt": "adopt"}
        if before is None:
            whole = msgspec.json.encode(plan.document(run_id(attempt), task, attempt, [step]))
            handle = await self._engine.start(
                loader.loads(whole, kinds=self._engine.kinds).plan,
                run_id=run_id(attempt),
                options=RunOptions(cwd=attempt.worktree, kept=True),
            )
        else:
            handle = await self._engine.extend(run_id(attempt), plan.extension(step), by="tasks")
        await _begun(handle, str(step["id"]), before.sequence if before else 0)
        return str(step["id"])

    async def stop(self, attempt: Attempt) -> bool:
        """End the one that runs, its processes and all; False if none does."""
        state = await self.state(attempt)
        if state is None or state.status in RUN_OVER:
            return False
        await end(self._engine, run_id(attempt), "stopped")
        return True

    async def recover(self) -> None:
        """Go on with those that were running when the last owner of the journal ended."""
        async with self._engine.journal.snapshot() as session:
            rows = await session.fetch(
                "SELECT run_id FROM runs WHERE run_id IN "  # noqa: S608 - ours
                f"(SELECT 'dev-' || attempt_id FROM attempts) AND status NOT IN ({OVER})"
            )
        for (found,) in rows:
            try:
                await self._engine.resume(found)
            except (JournalError, PlanError, OSError) as error:
                log.warning("dev server not recovered", run_id=found, error=str(error))


async def end(engine: Engine, run_id: str, why: str) -> None:
    """End a run that goes on, its processes and all."""
    handle = await engine.resume(run_id)
    with suppress(CommandRefused):  # it has just ended
        await handle.cancel(why, by="tasks")
    await handle.wait()


def run_id(attempt: Attempt) -> str:
    """Of the run of an attempt's dev servers."""
    return f"dev-{attempt.attempt_id}"


async def _begun(handle: RunHandle, step_id: str, after: int) -> None:
    """Returns once the step has begun, or the run is over."""
    async for event in handle.events(after):
        begun = event.type == ev.ATTEMPT_RUNNING and event.step == step_id
        if begun or event.type == ev.RUN_SETTLED:
            return
