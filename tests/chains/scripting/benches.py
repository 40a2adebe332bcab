"""What tests of the script agent put on the bench: the compiler and the chains are real, and what
a script does is found out by a call of it in the sender's own place, cheatcodes aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from deploy import World
from nodes import WALLET, Node, RpcFailed

from stoker.chains.address import parsed
from stoker.chains.config import GroupArtifacts
from stoker.chains.errors import ChainError, RpcError, SourcesMissing
from stoker.chains.evm.frame import Frame
from stoker.chains.evm.job import Capture, Replay
from stoker.chains.group import OperationGroup
from stoker.chains.report.reverts import reason
from stoker.chains.scripting.assembler import assemble
from stoker.chains.scripting.formats import ExtractedContractInfo, ScriptBlock, Talk
from stoker.chains.scripting.model import ScriptModel
from stoker.chains.solidity.compilation import Compilation, CompilerSettings, Diagnostic
from stoker.chains.solidity.compiler import SolidityCompiler
from stoker.chains.solidity.review import edit, review
from stoker.chains.sources.contract_source import ContractSource

VM = "0x7109709ECfa91a80626fF3989D68f67F5b1DD12D"
RETURNS_NOTHING = "0x5f5ff3"
RUN = "0xc0406226"


def sources_of(worlds: dict[int, World], group: OperationGroup) -> tuple[ContractSource, ...]:
    """As a fetcher has them."""
    return tuple(source(worlds[one.chain_id], one.name) for one in group.contracts)


def source(world: World, name: str) -> ContractSource:
    one = world.contracts[name]
    return ContractSource(
        chain_id=world.chain_id,
        address=one.address,
        name=one.contract,
        abi=one.abi,
        files=one.files,
        compiler=one.compiler,
        implementation=one.implementation,
        origin="etherscan",
    )


class Bench:
    """Has what the script agent asks of a `GroupNode`."""

    def __init__(
        self,
        group: OperationGroup,
        worlds: dict[int, World],
        nodes: dict[int, Node],
        compiler: SolidityCompiler,
        model: ScriptModel,
    ) -> None:
        self.group = group
        self._worlds = worlds
        self._nodes = nodes
        self._compiler = compiler
        self._model = model
        self.artifacts = GroupArtifacts()
        self.talks: list[Talk] = []
        self.checked: list[str] = []
        """Scripts that were executed."""
        self.findings: Callable[[str], tuple[str, ...]] = lambda text: ()
        """What the audit says of a script."""
        self.unreachable = False

    async def fetch_sources(self) -> tuple[ContractSource, ...]:
        return sources_of(self._worlds, self.group)

    async def fetch_contract(self, chain_id: int, address: str) -> ContractSource:
        world = self._worlds[chain_id]
        for name, one in world.contracts.items():
            if one.address == address:
                return source(world, name)
        raise SourcesMissing({(chain_id, address): f"contract ({address}): not verified"})

    async def extract(self) -> tuple[ExtractedContractInfo, ...]:
        return await self._model.extract(self.group, await self.fetch_sources())

    async def generate_script(self, infos: Sequence[ExtractedContractInfo]) -> ScriptBlock:
        return await self._model.generate(self.group, infos)

    def assemble(self, block: ScriptBlock) -> str:
        return assemble(block, sender=WALLET, home=self.group.contracts[0].chain_id)

    def review_script(self, text: str) -> tuple[Diagnostic, ...]:
        return review(text)

    def edit_script(self, text: str, old: str, new: str) -> str:
        return edit(text, old, new)

    async def compile_script(self, text: str) -> Compilation:
        self.artifacts.captured = self.artifacts.replayed = None
        return await self._compiler.compile({"script.s.sol": text}, None, CompilerSettings())

    async def execute_script(self, compiled: Compilation) -> Capture:
        if self.unreachable:
            raise RpcError("chain 'mainnet': no answer")
        node = self._nodes[self.group.contracts[0].chain_id]
        code = {"code": f"0x{compiled.runtime.hex()}"}
        call = {"from": WALLET, "to": WALLET, "data": RUN, "gas": hex(20_000_000)}
        given = {WALLET: code, VM: {"code": RETURNS_NOTHING}}
        error, output = None, b""
        try:
            await asyncio.to_thread(node.rpc, "eth_call", call, "latest", given)
        except RpcFailed as failed:
            output = bytes.fromhex(str(failed.error.get("data", "0x"))[2:])
            error = reason(output)
        self.checked.append(error or "ran")
        frame = Frame(
            type="CALL",
            from_=parsed(WALLET),
            to=parsed(WALLET),
            value=0,
            gas=0,
            gas_used=0,
            input=bytes.fromhex(RUN[2:]),
            output=output,
            error=error,
        )
        captured = Capture(transactions=(), console=("a line",), frame=frame, error=error)
        self.artifacts.captured = captured
        return captured

    def failure(self) -> str | None:
        assert self.artifacts.captured is not None
        return self.artifacts.captured.error

    async def build_transactions(self) -> Replay:
        self.artifacts.replayed = Replay(transactions=(), deltas={}, accesses={})
        return self.artifacts.replayed

    async def across(self, replayed: Replay) -> Replay:
        return replayed

    async def without_code(self) -> tuple[str, ...]:
        return ()

    def audit_results(self) -> tuple[str, ...]:
        return self.findings(self.checked[-1])

    def explain(self) -> str:
        captured = self.artifacts.captured
        assert captured is not None
        lines = ["run()", *captured.console, *(f"step {n}" for n in range(3_000))]
        return "\n".join([*lines, f"reverted: {captured.error}" if captured.error else "returned"])

    def keep(self, talk: Talk) -> None:
        self.talks.append(talk)

    async def sight(self) -> Bench:
        return self

    async def balance(self, chain_id: int, address: str) -> int:
        return int(await self._ask(chain_id, "eth_getBalance", address, "latest"), 16)

    async def read_storage(self, chain_id: int, address: str, slot: int) -> int:
        return int(await self._ask(chain_id, "eth_getStorageAt", address, hex(slot), "latest"), 16)

    async def call(self, chain_id: int, to: str, data: bytes) -> bytes:
        call = {"to": to, "data": f"0x{data.hex()}"}
        return bytes.fromhex((await self._ask(chain_id, "eth_call", call, "latest"))[2:])

    async def _ask(self, chain_id: int, method: str, *params: object) -> Any:
        if chain_id not in self._nodes:
            raise ChainError(f"the group does not see chain {chain_id}")
        try:
            return await asyncio.to_thread(self._nodes[chain_id].rpc, method, *params)
        except RpcFailed as error:
            raise ChainError(str(error)) from error
