"""A program with an engine that a test may kill: `plan_child.py DIRECTORY SETTINGS GROUPS`. It
says the plan's id, and the index of each group that is over."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import stoker
from stoker.chains.orchestrator import ForgeOrchestrator


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


async def main(directory: Path, settings: Path, groups: Path) -> None:
    async with stoker.open_engine(directory / "journal.db") as engine:
        forge = ForgeOrchestrator(engine, settings)
        plan = await forge.create_plan(json.loads(groups.read_text()), automatic=True)
        say(plan)
        async for result in forge.subscribe_results(plan):
            say(result.group_index)


if __name__ == "__main__":
    asyncio.run(main(*map(Path, sys.argv[1:])))
