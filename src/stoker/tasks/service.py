"""The tasks door on one engine and its journal: what can be done with projects, tasks and
attempts, a part for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from stoker.engine.engine import Engine
from stoker.engine.kinds import Kind
from stoker.journal.base import Journal
from stoker.tasks.catalog import Catalog
from stoker.tasks.feed import Feed
from stoker.tasks.progress import Progress
from stoker.tasks.starter import Starter
from stoker.tasks.turns import Turns
from stoker.tasks.work import Work


class Tasks:
    """Use as an async context manager within the engine's."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        directory: Path,
        kinds: Mapping[str, Kind[Any]],
        *,
        prefix: str = "stoker",
    ) -> None:
        """`directory`: of the state; worktrees are made in it. `kinds`: all there are, the
        agent's and `checkpoint` among them. `prefix`: of branches."""
        directory = directory.absolute()
        self.catalog = Catalog(journal)
        self.feed = Feed(journal)
        self.progress = Progress(engine, journal, directory)
        self.turns = Turns(engine, journal, self.catalog, self.progress)
        self.starter = Starter(
            engine,
            journal,
            directory,
            kinds,
            catalog=self.catalog,
            turns=self.turns,
            prefix=prefix,
        )
        self.work = Work(journal, self.catalog, self.turns)

    async def __aenter__(self) -> Self:
        await self.turns.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.turns.__aexit__(*error)

    async def recover(self) -> None:
        """Go on with what was under way when the last owner of the journal ended."""
        await self.starter.recover()


@asynccontextmanager
async def open_tasks(
    engine: Engine, journal: Journal, directory: Path, kinds: Mapping[str, Kind[Any]]
) -> AsyncIterator[Tasks]:
    """The tasks door, with what was under way gone on with."""
    async with Tasks(engine, journal, directory, kinds) as tasks:
        await tasks.recover()
        yield tasks
