"""`python agent_victim.py STATE CWD WHEN N`: begin or resume the run `r` of `STATE/plan.json`
and die by SIGKILL at the N-th step of the driver: `before` it is stored, at `half` of what it
writes, or `after`; with N = 0 never."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from stoker.agents import store
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.base import RunOver, UnknownRun
from stoker.journal.open import open_journal
from stoker.plan.loader import load
from stoker.steps.registry import kinds


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(when: str, left: int) -> None:
    write, complete = store.Store.write, store._complete

    def writing(self: Any, checkpoint: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            die()
        write(self, checkpoint)
        if left == 0 and when == "after":
            die()

    def completing(file: Path, offset: int, data: bytes) -> None:
        if left <= 0 and when == "half" and data:
            complete(file, offset, data[: len(data) // 2])
            die()
        complete(file, offset, data)

    store.Store.write = writing  # type: ignore[method-assign]
    store._complete = completing


async def main() -> None:
    state, cwd, when, number = sys.argv[1:]
    arm(when, int(number))
    journal = await open_journal(Path(state) / "journal.db")
    async with Engine(journal, Path(state), kinds()) as engine:
        try:
            handle = await engine.resume("r")
        except RunOver:
            return
        except UnknownRun:
            plan = load(Path(state) / "plan.json", kinds=kinds()).plan
            handle = await engine.start(plan, run_id="r", options=RunOptions(cwd=cwd))
        outcome = await handle.wait()
    await journal.close()
    sys.stdout.write(f"{outcome.status} {outcome.reason}\n")


if __name__ == "__main__":
    asyncio.run(main())
