"""`python crash_at.py WHAT N WHEN`: begin or resume the victim's run in the current directory
and die by SIGKILL just before or after the N-th commit, spawn or other write to the journal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.base import RunOver, UnknownRun
from stoker.journal.open import open_journal
from stoker.journal.sqlite import SqliteJournal
from stoker.plan.loader import load
from stoker.process.spawner import Spawner
from stoker.steps.registry import kinds

RUN = "victim"


class Fuse:
    """Kills this process at the N-th time around."""

    def __init__(self, left: int, when: str) -> None:
        self.left = left
        self.when = when

    def burn(self, when: str) -> None:
        if when == "before":
            self.left -= 1
        if self.left == 0 and when == self.when:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(what: str, fuse: Fuse) -> None:
    if what == "spawn":
        spawn = Spawner.spawn

        def spawning(*args: Any, **more: Any) -> Any:
            fuse.burn("before")
            child = spawn(*args, **more)
            fuse.burn("after")
            return child

        Spawner.spawn = spawning  # type: ignore[method-assign]
        return
    name = {"commit": "commit", "lock": "claim_locks", "lease": "acquire"}[what]
    method = getattr(SqliteJournal, name)

    async def writing(*args: Any, **more: Any) -> Any:
        fuse.burn("before")
        value = await method(*args, **more)
        fuse.burn("after")
        return value

    setattr(SqliteJournal, name, writing)


async def main() -> None:
    what, number, when = sys.argv[1:]
    arm(what, Fuse(int(number), when))
    state = Path.cwd() / ".stoker"
    state.mkdir(exist_ok=True)
    journal = await open_journal(state / "journal.db")
    async with Engine(journal, state, kinds()) as engine:
        try:
            handle = await engine.resume(RUN)
        except RunOver:
            return
        except UnknownRun:
            plan = load(Path("plan.json"), kinds=kinds()).plan
            handle = await engine.start(plan, run_id=RUN, options=RunOptions(cwd=str(Path.cwd())))
        outcome = await handle.wait()
    await journal.close()
    assert outcome.status == "succeeded", outcome


if __name__ == "__main__":
    asyncio.run(main())
