"""What the chain groups of one engine have together: tools for each file of settings, the state of
each plan, and what is counted."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stoker.chains import metrics
from stoker.chains.errors import ChainError
from stoker.chains.load import FILE, Loaded, load
from stoker.chains.results import output
from stoker.chains.state.commits import Committed
from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.nested import replayed
from stoker.engine.state import RunState

if TYPE_CHECKING:
    from stoker.chains.backend import ExecutionBackend
    from stoker.chains.tools import Tools


class Site:
    """One plan's place: its tools and its state."""

    def __init__(self, tools: Tools, backend: ExecutionBackend) -> None:
        self.tools = tools
        self.backend = backend


class Workshop:
    """Of one engine; get it by `attempt.shared(opened)`, or `engine.shared(opened)`."""

    def __init__(self, engine: Engine, group: asyncio.TaskGroup) -> None:
        self._engine = engine
        self._group = group
        self._sites: dict[RunHandle, asyncio.Task[Site | Exception]] = {}
        self.metrics = metrics.of(engine)

    async def tools(self, settings: Path | None) -> Tools:
        """For the settings in a file, as it is now; default: the state directory's. Raises
        `BadFile`."""
        path = (settings or self._engine.directory / FILE).absolute()
        return await self._engine.shared(_Opening(load(path, os.environ)))

    async def site(self, run_id: str, settings: Path | None) -> Site:
        """Where the groups of a plan that is under way here are done; made, or made again after a
        restart, when it is first asked for. Raises `BadFile`, `ChainError`."""
        handle = self._engine.handle(run_id)
        if handle is None:
            raise ChainError(f"plan {run_id} is not under way here")
        if handle not in self._sites:
            self._sites[handle] = self._group.create_task(self._open(run_id, settings))
            self._group.create_task(self._leave(handle))
        site = await asyncio.shield(self._sites[handle])
        if isinstance(site, Exception):
            self._sites.pop(handle, None)  # the next who asks tries again
            raise site
        wanted = (settings or self._engine.directory / FILE).absolute()
        if site.tools.path != wanted:
            raise ChainError(
                f"all groups of a plan have the same settings: expected {site.tools.path}, found "
                f"{wanted}"
            )
        return site

    async def state(self, run_id: str) -> RunState:
        """How a run stands. Raises `UnknownRun`."""
        handle = self._engine.handle(run_id)
        return handle.state if handle else await replayed(self._engine.journal, run_id)

    async def _open(self, run_id: str, settings: Path | None) -> Site | Exception:
        """What goes wrong is whose groups ask, not everybody's in the task group."""
        try:
            tools = await self.tools(settings)
            backend = tools.backend()
            state = await self.state(run_id)
            kept = [output(step, "committed") for step in state.steps if step.status == "succeeded"]
            await backend.restore(
                [msgspec.convert(one, Committed, str_keys=True) for one in kept if one is not None]
            )
        except Exception as error:
            return error
        return Site(tools, backend)

    async def _leave(self, handle: RunHandle) -> None:
        """Forget a plan's state when its run has ended here."""
        ended = asyncio.ensure_future(handle.wait())
        await asyncio.wait([ended])
        ended.exception()  # whoever started the run is told
        state = handle.state
        if state.created_at is not None and state.finished_at is not None:
            self.metrics.plan(state.finished_at - state.created_at)
        self._sites.pop(handle, None)


class _Opening:
    """An opener of tools: the same for the same settings."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        content = msgspec.json.encode((str(loaded.path), loaded.settings))
        self._key = hashlib.sha256(content).digest()

    def __call__(self, engine: Engine) -> AbstractAsyncContextManager[Tools]:
        from stoker.chains.tools import open_tools

        return open_tools(engine, self._loaded)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Opening) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)


@asynccontextmanager
async def opened(engine: Engine) -> AsyncIterator[Workshop]:
    """See `Workshop`."""
    async with asyncio.TaskGroup() as group:
        yield Workshop(engine, group)
