"""Pull requests that a code host has told something of: asked for anew, one after the other."""

from __future__ import annotations

import asyncio

from stoker.hosting.errors import HostingError
from stoker.log import get_logger
from stoker.tasks.errors import TasksError
from stoker.tasks.pulls import Pulls
from stoker.toml_file import BadFile
from stoker.workspace.errors import WorkspaceError

log = get_logger(__name__)


class Deliveries:
    """Of one server. Told of often, an attempt is looked at once."""

    def __init__(self, pulls: Pulls) -> None:
        self._pulls = pulls
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()

    def add(self, attempt_id: str) -> None:
        """Ask for its pull request soon."""
        self._due[attempt_id] = None
        self._wake.set()

    async def run(self) -> None:
        """Never ends."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                attempt_id = next(iter(self._due))
                del self._due[attempt_id]
                try:
                    await self._pulls.refresh(attempt_id)
                except (HostingError, WorkspaceError, BadFile, TasksError) as error:
                    log.warning("not refreshed", attempt=attempt_id, error=str(error))
