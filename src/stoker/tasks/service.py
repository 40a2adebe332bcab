"""The tasks door on one engine and its journal: what can be done with projects, tasks and
attempts, a part for each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from stoker.agents import warm
from stoker.engine.engine import Engine
from stoker.tasks.catalog import Catalog
from stoker.tasks.feed import Feed
from stoker.tasks.library import Library
from stoker.tasks.notices import Notices
from stoker.tasks.notifier import Notifier
from stoker.tasks.progress import Progress
from stoker.tasks.pulls import Pulls
from stoker.tasks.removal import Removal
from stoker.tasks.schedule import Schedule
from stoker.tasks.starter import Starter
from stoker.tasks.turns import Turns
from stoker.tasks.work import Work


class Tasks:
    """Use as an async context manager within the engine's."""

    def __init__(self, engine: Engine) -> None:
        """Worktrees are made in the engine's state directory; its kinds are those of the agents
        and `checkpoint`, too."""
        self.engine = engine
        journal, directory = engine.journal, engine.directory
        self.catalog = Catalog(journal)
        self.feed = Feed(journal)
        self.progress = Progress(engine)
        self.library = Library(journal, directory)
        images = self.library.images
        self.turns = Turns(engine, self.catalog, self.progress, images)
        self.starter = Starter(engine, self.catalog, self.turns, images)
        self.schedule = Schedule(self.feed, self.catalog, self.starter)
        self.work = Work(journal, self.catalog, self.turns)
        self.pulls = Pulls(journal, self.catalog, self.turns, self.progress, self.work, directory)
        notices = Notices(Notifier(directory), self.catalog, self.turns, self.progress)
        self.turns.on_begin.append(self.pulls.begun)
        self.turns.companions.append(notices.along)
        self.turns.listeners += [notices.over, self.pulls.over]
        self.pulls.listeners.append(notices.pull_request)
        self.removal = Removal(engine, self.catalog, self.turns, self.work)

    async def __aenter__(self) -> Self:
        await self.turns.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        warm.end_all(self.engine.directory)
        await self.turns.__aexit__(*error)

    async def recover(self) -> None:
        """Go on with what was under way when the last owner of the journal ended."""
        await self.library.images.sweep()
        await self.turns.devservers.recover()
        await self.starter.recover(self.removal)


@asynccontextmanager
async def opened(engine: Engine) -> AsyncIterator[Tasks]:
    """The tasks door on an engine, with what was under way gone on with. To be asked for by
    `Engine.shared`, so that there is one."""
    async with Tasks(engine) as tasks:
        await tasks.recover()
        yield tasks
