"""What groups with the same settings share: explorers, a model, compilers, nodes, engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING

from stoker.chains import metrics
from stoker.chains.config import GroupConfig
from stoker.chains.errors import ChainError
from stoker.chains.evm.job import Capturing, Replaying
from stoker.chains.evm.pyevm.pool import PyEvm, open_pyevm
from stoker.chains.group import OperationGroup
from stoker.chains.load import Loaded
from stoker.chains.rpc import Rpc
from stoker.chains.settings import Settings
from stoker.chains.solidity.ahead import Ahead
from stoker.chains.solidity.compilation import SCRIPT, Compilation, CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler
from stoker.chains.sources.fetcher import SourceFetcher
from stoker.chains.sources.proxy import ChainReader
from stoker.chains.state.remote import Remote
from stoker.chains.state.store import StateStore
from stoker.engine.engine import Engine
from stoker.process.redact import Redactor

if TYPE_CHECKING:
    from stoker.chains.backend import ExecutionBackend
    from stoker.chains.broadcast.broadcaster import Broadcaster
    from stoker.chains.scripting.app import ScriptApp
    from stoker.chains.scripting.model import ScriptModel


class Tools:
    """Of one file of settings, on one engine."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        nodes: Mapping[int, Rpc],
        remote: Remote,
        sources: SourceFetcher,
        compiler: SolidityCompiler,
        capturing: Capturing,
        replaying: Replaying,
        author: ScriptModel | None,
        mending: ScriptApp | None,
    ) -> None:
        self.settings: Settings = loaded.settings
        self.path = loaded.path
        self.urls = {chain.id: chain.rpc for chain in loaded.written.chains.values()}
        """Of nodes, by chain id, without what the environment filled in."""
        self.nodes = nodes
        """By chain id."""
        self.remote = remote
        self.sources = sources
        self.compiler = compiler
        self.capturing = capturing
        self.replaying = replaying
        self.author = author
        self.mending = mending
        self.ahead = Ahead(self._compile)
        self._importing: asyncio.Future[None] | None = None
        self.redact = Redactor(loaded.secrets).text

    async def ready(self) -> None:
        """Returns once there is what outcomes are read with: it takes long to import, so that it
        is begun when the first script runs."""
        if self._importing is None:
            self._importing = asyncio.ensure_future(asyncio.to_thread(_import))
        await asyncio.shield(self._importing)

    def backend(self) -> ExecutionBackend:
        """The state of a plan."""
        from stoker.chains.backend import ExecutionBackend

        return ExecutionBackend(self.remote, self.settings.chains)

    def broadcaster(self) -> Broadcaster:
        """Sends what groups came to, through nodes that sign."""
        from stoker.chains.broadcast.broadcaster import Broadcaster

        return Broadcaster(self.settings, self.path, self.nodes, self.remote, self.replaying)

    def begin(self, groups: Sequence[OperationGroup]) -> None:
        """Fetch the sources of groups that are to come, and compile scripts that they bring."""
        self.sources.begin(contract for group in groups for contract in group.contracts)
        wanted = []
        for group in groups:
            if group.script is not None:
                with suppress(ChainError):  # which the group will say
                    wanted.append((group.script, GroupConfig.of(group, self.settings).compiler))
        self.ahead.begin(wanted)

    async def compile(self, script: str, settings: CompilerSettings) -> Compilation:
        """A script's contract. Raises `CompileFailed`, `LimitReached`, `ChainError`."""
        return await self.ahead.get(script, settings)

    async def _compile(self, script: str, settings: CompilerSettings) -> Compilation:
        return await self.compiler.compile({SCRIPT: script}, None, settings)


@asynccontextmanager
async def open_tools(engine: Engine, loaded: Loaded) -> AsyncIterator[Tools]:
    """No node is asked before it is needed; compilers and workers get ready meanwhile."""
    settings, folder = loaded.settings, engine.directory / "chains"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        chains = settings.chains.items()
        nodes = {chain.id: Rpc(alias, chain.id, chain.rpc) for alias, chain in chains}
        remote = Remote(list(nodes.values()), StateStore(folder / "state.db"))
        stack.push_async_callback(remote.close)
        sources = SourceFetcher(settings.sources, folder / "sources", ChainReader(nodes))
        await stack.enter_async_context(sources)
        compiler = await stack.enter_async_context(
            SolidityCompiler(project=engine.directory, solc=settings.solc)
        )
        author, mending = None, None
        if settings.model is not None:
            from stoker.chains.scripting.app import ScriptApp
            from stoker.chains.scripting.model import ScriptModel

            aliases = {chain.id: alias for alias, chain in settings.chains.items()}
            author = ScriptModel(settings.model, aliases, settings.sender)
            await stack.enter_async_context(author)
            mending = ScriptApp(author, settings.repair)
        pyevm = await stack.enter_async_context(open_pyevm(remote, workers=settings.workers))
        capturing: Capturing = pyevm
        if settings.capture == "forge":
            from stoker.chains.evm.forge import FallbackEngine, ForgeEngine

            forge = ForgeEngine(remote, settings.forge)
            stack.callback(forge.close)
            capturing = FallbackEngine(pyevm, forge)
        replaying: Replaying = pyevm
        if settings.replay == "anvil":
            from stoker.chains.evm.anvil import AnvilEngine

            anvil = AnvilEngine(remote, settings.anvil)
            stack.push_async_callback(anvil.close)
            replaying = anvil
        tools = Tools(
            loaded,
            nodes=nodes,
            remote=remote,
            sources=sources,
            compiler=compiler,
            capturing=capturing,
            replaying=replaying,
            author=author,
            mending=mending,
        )
        stack.push_async_callback(tools.ahead.close)
        metrics.of(engine).opened(tools)
        warming = asyncio.create_task(_warm(compiler, pyevm))
        stack.push_async_callback(_stop, warming)
        yield tools


def _import() -> None:
    import_module("stoker.chains.report.across")
    import_module("stoker.chains.report.verdict")


async def _warm(compiler: SolidityCompiler, engine: PyEvm) -> None:
    """Whatever fails is told to the first who needs it."""
    await asyncio.gather(
        compiler.warm(),
        engine.warm(),
        return_exceptions=True,
    )


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
