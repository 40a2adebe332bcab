"""The server's API without a server: a client whose requests go to an app in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stoker.client.client import Client
from stoker.engine.engine import Engine
from stoker.server.app import unguarded
from stoker.server.service import Service
from stoker.server.settings import Settings
from stoker.server.tokens import NOBODY, Tokens
from stoker.server.transport import client
from stoker.tasks.service import Tasks


@asynccontextmanager
async def opened(engine: Engine, tasks: Tasks, cwd: Path) -> AsyncIterator[Client]:
    """A client of an engine in this process, which may do everything; relative paths that it
    names start from `cwd`. Raises `JournalError`."""
    settings = Settings(directory=engine.directory, roots=(cwd, Path("/")), rate=0)
    service = Service(settings, engine.journal, engine, Tokens(engine.directory), tasks)
    async with service.running(), client(unguarded(service), NOBODY) as stoker:
        yield stoker
