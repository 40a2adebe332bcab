"""A process that starts attempts one after the other until it is killed; see test_crash."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from stoker.engine.engine import Engine
from stoker.journal.open import open_journal
from stoker.steps.registry import kinds
from stoker.tasks.service import opened


async def main(state: Path, repository: str, prompt: str) -> None:
    journal = await open_journal(state / "journal.db")
    async with (
        Engine(journal, state, kinds()) as engine,
        opened(engine) as tasks,
    ):
        made = await tasks.catalog.projects() or [
            await tasks.catalog.create_project("P", repository)
        ]
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            await asyncio.gather(
                *(
                    tasks.starter.create_and_start(made[0].project_id, prompt, executor="SCRIPTED")
                    for _ in range(3)
                )
            )


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
