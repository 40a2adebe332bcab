"""What a group's node has others do: the parts that plans share, and the state of its plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct

from stoker.chains.errors import ChainError
from stoker.chains.evm.environment import Pin
from stoker.chains.evm.job import Captured, Chains, Replay
from stoker.chains.group import OperationGroup
from stoker.chains.scripting.extracted import ExtractedContractInfo
from stoker.chains.scripting.workbench import Workbench
from stoker.chains.solidity.script_block import ScriptBlock
from stoker.chains.sources.contract_source import ContractSource


class Committed(Struct, frozen=True, kw_only=True):
    """A group's effects are the plan's. In the step's outputs, and enough to have them again
    after a restart."""

    index: int
    after: tuple[int, ...]
    """The groups whose effects it saw."""
    pins: dict[int, Pin]
    state: str
    """Path of the file with what it changed and looked at."""
    digest: str
    """SHA-256 of that."""
    position: int = 0
    """How many commits of the plan came before: groups' transactions are sent in this order."""
    transactions: tuple[Captured, ...] = ()
    """With the nonces that they have behind the groups committed before."""


class Conflict(Struct, frozen=True):
    """A group has looked at what these have changed meanwhile: it is to run again, after them."""

    groups: tuple[int, ...]


class Backend(Protocol):
    """The state of one plan, on all its chains. Groups are known by their index."""

    async def view(self, *, home: int, chains: Collection[int], after: Collection[int]) -> Chains:
        """What a group sees that comes after these, and after what they came after; pins are
        taken when a chain is first asked for. Raises `RpcError`, `ChainError` for a chain that
        the settings do not have."""

    async def commit(
        self,
        index: int,
        *,
        after: Collection[int],
        view: Chains,
        transactions: Sequence[Captured],
        replay: Replay,
        file: str,
    ) -> Committed | Conflict:
        """Make a replay's effects the plan's, at once or not at all; `file` is written whole
        before. A second one of the same group takes the place of the first."""

    async def restore(self, settled: Sequence[Committed]) -> None:
        """After a restart: groups whose steps have settled. Raises `ChainError` if a file of
        theirs is gone or another one."""

    def withdraw(self, index: int) -> None:
        """It did not settle after all; nothing if it was not committed."""


class Author(Protocol):
    """The model, as groups know it. Shared by all plans."""

    async def extract(
        self, group: OperationGroup, sources: Sequence[ContractSource]
    ) -> tuple[ExtractedContractInfo, ...]:
        """Raises `ModelFailed`."""

    async def generate(
        self, group: OperationGroup, infos: Sequence[ExtractedContractInfo]
    ) -> ScriptBlock:
        """Raises `ModelFailed`."""


class Mending(Protocol):
    """The script agent."""

    async def mend(self, bench: Workbench, text: str, failure: ChainError) -> str:
        """A script that passes all that the bench can do with it. Raises the last failure if there
        is none within the limits, and `ModelFailed`."""
