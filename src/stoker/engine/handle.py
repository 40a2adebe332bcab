"""What a caller holds of a run: its events, its end, and the ways to act on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from stoker.engine.commands import CommandRefused
from stoker.engine.machine import Receipt
from stoker.engine.run import Outcome, Run
from stoker.engine.state import RunState
from stoker.journal.base import Command, CommandKind
from stoker.journal.events import Event


class RunHandle:
    """A run of this engine."""

    def __init__(self, run: Run) -> None:
        self.run = run
        """For the engine; everyone else asks through the methods below."""
        self._ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.run_id = run.lease.run_id

    async def wait(self) -> Outcome:
        """How the run ends. Raises `JournalError` if the engine could not go on with it."""
        return await asyncio.shield(self._ended)

    def end(self, outcome: Outcome | Exception) -> None:
        """Called by the engine, once."""
        if isinstance(outcome, Outcome):
            self._ended.set_result(outcome)
        else:
            self._ended.set_exception(outcome)
            self._ended.exception()  # nobody has to wait for it

    def events(self, after: int = 0, *, pace: float = 0.0) -> AsyncIterator[Event]:
        """Every event with a sequence above `after`, then live ones until the run is over;
        looked for every `pace` seconds at most."""
        return self.run.feed.read(after, pace)

    @property
    def state(self) -> RunState:
        """Where the run stands; read only."""
        return self.run.machine.state

    async def next(self) -> list[Receipt]:
        """Release the next batch of a manual run; returns at once, results are events."""
        receipts: list[Receipt] = await self._ask("next")
        return receipts

    async def extend(self, steps: str, *, by: str = "api") -> None:
        """Add steps, a JSON or YAML document. Raises `PlanError`."""
        await self._ask("extend", {"steps": steps}, by)

    async def cancel(self, reason: str = "canceled", *, by: str = "api") -> None:
        await self._ask("cancel", {"reason": reason}, by)

    async def pause(self, *, by: str = "api") -> None:
        """Start nothing more until `unpause`; what runs goes on."""
        await self._ask("pause", {}, by)

    async def unpause(self, *, by: str = "api") -> None:
        await self._ask("unpause", {}, by)

    async def approve(self, step: str, comment: str = "", *, by: str = "api") -> None:
        """Raises `CommandRefused` if the step does not wait for approval."""
        await self._ask("approve", {"step": step, "comment": comment}, by)

    async def reject(self, step: str, comment: str = "", *, by: str = "api") -> None:
        """Raises `CommandRefused` if the step does not wait for approval."""
        await self._ask("reject", {"step": step, "comment": comment}, by)

    async def resolve(self, step: str, outcome: str, comment: str = "", *, by: str = "api") -> None:
        """Settle a quarantined step: `rerun`, `succeeded` or `failed`."""
        await self._ask("resolve", {"step": step, "outcome": outcome, "comment": comment}, by)

    async def _ask(
        self, kind: CommandKind, payload: dict[str, Any] | None = None, by: str = "api"
    ) -> Any:
        if self._ended.done():
            raise CommandRefused(f"run {self.run_id} is not running here any more")
        command = Command(run_id=self.run_id, kind=kind, payload=payload or {}, by=by)
        return await self._decided(lambda now: self.run.obey(command, now), kind)

    async def begun(self) -> None:
        """Returns once what the run began with here is durable. Raises `CommandRefused` if it
        ended before."""
        await self._decided(lambda _: None, "begin")

    async def _decided(self, decide: Callable[[float], Any], what: str) -> Any:
        asked = asyncio.ensure_future(self.run.call(decide))
        await asyncio.wait({asked, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            asked.cancel()
            raise CommandRefused(f"run {self.run_id} ended before it could {what}")
        return asked.result()
