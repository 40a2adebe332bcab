"""What Stoker makes of the corpus, and what a node makes of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes import ALIASES, EVM, WALLET, Node, program

from stoker.chains.evm.anvil import AnvilEngine
from stoker.chains.evm.job import Capture, Captured, CaptureJob, Chains, Replay, ReplayJob
from stoker.chains.evm.pyevm.pool import PyEvm, open_pyevm
from stoker.chains.report.compare import Difference, differences
from stoker.chains.report.registry import Registry
from stoker.chains.report.summary import registry_learned
from stoker.chains.rpc import Rpc
from stoker.chains.solidity.compilation import Compilation, CompilerSettings
from stoker.chains.solidity.compiler import SolidityCompiler
from stoker.chains.state.remote import Remote


@dataclass(frozen=True)
class Run:
    compiled: Compilation
    capture: Capture
    replay: Replay | None
    """None: the script failed."""
    differences: tuple[Difference, ...]
    registry: Registry
    chains: Chains


class Bench:
    def __init__(
        self,
        runner: asyncio.Runner,
        texts: dict[str, str],
        remote: Remote,
        compiler: SolidityCompiler,
        engine: PyEvm,
        anvil: AnvilEngine,
    ) -> None:
        self._runner = runner
        self._texts = texts
        self._remote = remote
        self._compiler = compiler
        self._engine = engine
        self._anvil = anvil

    def run(self, script: str) -> Run:
        return self._runner.run(self._run(script))

    def on_anvil(self, run: Run) -> Replay:
        """The same replay by the other engine."""
        job = ReplayJob(transactions=run.capture.transactions, chains=run.chains)
        return self._runner.run(self._anvil.replay(job))

    async def _run(self, script: str) -> Run:
        names = (script.partition(":")[0], "Parts.sol", "World.sol")
        texts = {name: self._texts[name] for name in names}
        compiled = await self._compiler.compile(texts, script, CompilerSettings())
        pins = {chain_id: await self._remote.pin(chain_id) for chain_id in ALIASES}
        aliases = {alias: chain_id for chain_id, alias in ALIASES.items()}
        chains = Chains(home=1, pins=pins, aliases=aliases)
        job = CaptureJob(script=compiled, chains=chains, sender=bytes.fromhex(WALLET[2:]))
        capture = await self._engine.capture(job)
        registry = Registry((), [compiled])
        registry.learn_script(compiled, capture.frame.to)
        if capture.error is not None:
            registry_learned(registry, capture, None)
            return Run(compiled, capture, None, (), registry, chains)
        replay = await self._engine.replay(
            ReplayJob(transactions=capture.transactions, chains=chains)
        )
        registry_learned(registry, capture, replay)
        found = differences(capture, replay, chains, registry)
        return Run(compiled, capture, replay, found, registry, chains)


@asynccontextmanager
async def opened(
    runner: asyncio.Runner, texts: dict[str, str], nodes: dict[int, Node], cache: Path
) -> AsyncIterator[Bench]:
    remote = Remote([Rpc(ALIASES[one], one, node.url) for one, node in nodes.items()])
    async with (
        SolidityCompiler(project=EVM, solc=str(EVM), cache=cache, workers=1) as compiler,
        open_pyevm(remote, workers=1) as engine,
    ):
        anvil = AnvilEngine(remote, str(program("anvil")))
        yield Bench(runner, texts, remote, compiler, engine, anvil)
        await anvil.close()
        await remote.close()


def sent(node: Node, transaction: Captured) -> dict[str, Any]:
    """A captured transaction on a node that has its sender's key. The receipt."""
    call = {
        "from": f"0x{transaction.from_.hex()}",
        "data": f"0x{transaction.data.hex()}",
        "value": hex(transaction.value),
        "nonce": hex(transaction.nonce),
        "gas": hex(transaction.gas or 20_000_000),
    }
    if transaction.to is not None:
        call["to"] = f"0x{transaction.to.hex()}"
    return dict(node.rpc("eth_sendTransactionSync", call))
