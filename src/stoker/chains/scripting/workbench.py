"""What the script agent works with: one group's elementary operations. `GroupNode` has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stoker.chains.evm.job import Capture, Replay
from stoker.chains.group import OperationGroup
from stoker.chains.scripting.extracted import ExtractedContractInfo
from stoker.chains.scripting.talk import Talk
from stoker.chains.solidity.compilation import Compilation
from stoker.chains.solidity.diagnostic import Diagnostic
from stoker.chains.solidity.script_block import ScriptBlock
from stoker.chains.sources.contract_source import ContractSource


class Workbench(Protocol):
    @property
    def group(self) -> OperationGroup: ...

    async def fetch_sources(self) -> tuple[ContractSource, ...]:
        """Of the contracts the group names. Raises `SourcesMissing`."""

    async def fetch_contract(self, chain_id: int, address: str) -> ContractSource:
        """Any other. Raises `SourcesMissing`."""

    async def extract(self) -> tuple[ExtractedContractInfo, ...]:
        """What matters in the sources. Raises `ModelFailed`, `SourcesMissing`."""

    async def generate_script(self, infos: Sequence[ExtractedContractInfo]) -> ScriptBlock:
        """Raises `ModelFailed`."""

    def assemble(self, block: ScriptBlock) -> str:
        """The whole script."""

    def review_script(self, text: str) -> tuple[Diagnostic, ...]:
        """What is wrong with it that needs no compiler: refused cheatcodes, bad addresses."""

    def edit_script(self, text: str, old: str, new: str) -> str:
        """`text` with its one `old` replaced. Raises `ChainError` if there is none or several."""

    async def compile_script(self, text: str) -> Compilation:
        """Raises `CompileFailed`."""

    async def execute_script(self, compiled: Compilation) -> Capture:
        """Run it with cheatcodes on what the group sees."""

    def failure(self, captured: Capture) -> str | None:
        """Why the script failed, with the errors of the contracts that are known; None: it ran."""

    async def build_transactions(self, captured: Capture) -> Replay:
        """Replay what it broadcasts, and compare."""

    def audit_results(self, captured: Capture, replayed: Replay) -> tuple[str, ...]:
        """What the outcome has that the group did not mean; empty: nothing."""

    def explain(self, captured: Capture, replayed: Replay | None) -> str:
        """Decoded traces, errors, console output and balance changes, for the model to read."""

    def keep(self, talk: Talk) -> None:
        """What was said while the script was mended, also if that came to nothing."""

    async def balance(self, chain_id: int, address: str) -> int:
        """Of the chain's coin, wei, on what the group sees."""

    async def read_storage(self, chain_id: int, address: str, slot: int) -> int:
        """On what the group sees."""

    async def call(self, chain_id: int, to: str, data: bytes) -> bytes:
        """A read-only call on what the group sees. Raises `ChainError` if it reverts."""
