"""`python crash_at.py WHAT N WHEN`: begin or resume the victim's run in the current directory and
die by SIGKILL just before or after the N-th commit, spawn or other write to the journal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from inspect import iscoroutine
from itertools import count
from pathlib import Path
from typing import Any

from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.base import RunOver, UnknownRun
from stoker.journal.open import open_journal
from stoker.plan.loader import load
from stoker.process.spawner import Spawner
from stoker.project import locate
from stoker.steps.registry import kinds

RUN = "victim"


def arm(journal: type[Any], what: str, number: int, when: str) -> None:
    """Have this process killed at the N-th time around. `journal`: the class of the one it has."""
    place: Any = Spawner if what == "spawn" else journal
    # What SQLite commits in the turn that hears of an end goes by `commit_now` alone.
    commit = "commit" if journal.commit_now is None else "commit_now"
    name = {"spawn": "spawn", "commit": commit, "lock": "claim_locks", "lease": "acquire"}[what]
    method, times = getattr(place, name), count(1)

    def acting(*args: Any, **more: Any) -> Any:
        last = next(times) == number
        if last and when == "before":
            die()
        value = method(*args, **more)
        if iscoroutine(value):
            return finishing(value, last)
        if last:
            die()
        return value

    async def finishing(work: Coroutine[Any, Any, Any], last: bool) -> Any:
        value = await work
        if last:
            die()
        return value

    setattr(place, name, acting)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    what, number, when = sys.argv[1:]
    place = locate()
    place.create()
    journal = await open_journal(place.location)
    arm(type(journal), what, int(number), when)
    async with Engine(journal, place.directory, kinds()) as engine:
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
