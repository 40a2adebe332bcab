"""Running plans for real, in this process: SQLite, child processes, the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.options import RunOptions
from stoker.engine.run import Outcome
from stoker.journal.open import open_journal
from stoker.plan.model import Plan
from stoker.steps.registry import kinds


class Ran(msgspec.Struct):
    """A run this engine has done with."""

    outcome: Outcome
    statuses: dict[str, str]
    reasons: dict[str, str | None]
    problems: list[str]
    """Of the journal."""


def plan_of(*steps: dict, **more: Any) -> Plan:
    return msgspec.convert({"plan_id": "p", "steps": steps, **more}, Plan)


def carry_out(
    directory: Path,
    plan: Plan,
    *,
    act: Callable[[RunHandle], Awaitable[None]] | None = None,
    more_kinds: Mapping[str, Any] | None = None,
    **engine_options: Any,
) -> Ran:
    """Run a plan in `directory`; a run that hangs is a `TimeoutError`."""

    async def main() -> Ran:
        directory.mkdir(exist_ok=True)
        journal = await open_journal(directory / "journal.db")
        try:
            known = {**kinds(), **(more_kinds or {})}
            async with Engine(journal, directory, known, **engine_options) as engine:
                handle = await engine.start(plan, options=RunOptions(cwd=str(directory)))
                if act is not None:
                    await act(handle)
                outcome = await asyncio.wait_for(handle.wait(), 20)
                steps = handle.state.steps
                return Ran(
                    outcome,
                    {step.step.id: step.status for step in steps},
                    {step.step.id: step.reason for step in steps},
                    await journal.check(),
                )
        finally:
            await journal.close()

    return asyncio.run(main())
