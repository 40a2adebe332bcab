"""What one group owns: how it is to be done, and what was made on the way."""

from __future__ import annotations

from typing import Self, TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from stoker.chains.address import parsed
from stoker.chains.errors import ChainError
from stoker.chains.evm.job import Capture, CaptureJob, Limits, Replay
from stoker.chains.group import OperationGroup
from stoker.chains.scripting.formats import Talk
from stoker.chains.settings import ChainSettings, Settings
from stoker.chains.solidity.compilation import Compilation, CompilerSettings
from stoker.chains.sources.contract_source import ContractSource

T = TypeVar("T")


def own(value: T) -> T:
    """A copy of what others may have too."""
    copied: T = msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=type(value))
    return copied


class GroupConfig(Struct, kw_only=True):
    """Of one group: nothing in it is anybody else's, so that who changes it changes nothing for
    others."""

    compiler: CompilerSettings
    chains: dict[str, ChainSettings]
    """By alias."""
    limits: Limits
    sender: bytes
    home: int
    """The chain that the script begins on; see `OperationGroup`."""

    @classmethod
    def of(cls, group: OperationGroup, settings: Settings) -> Self:
        """Raises `ChainError` for a chain that the settings do not have, and without a sender."""
        known = {chain.id: alias for alias, chain in settings.chains.items()}
        named = chain_ids(group)
        for chain_id in named:
            if chain_id not in known:
                names = ", ".join(f"{alias} ({one.id})" for alias, one in settings.chains.items())
                raise ChainError(f"chain {chain_id} is not in the settings; there are: {names}")
        sender = group.sender or settings.sender
        if sender is None:
            raise ChainError("nobody is to sign: expected a sender, the group's or the settings'")
        home = named[0] if named else next(iter(settings.chains.values())).id
        of_home = settings.chains[known[home]].evm_version
        return cls(
            compiler=replace(
                settings.compiler, evm_version=of_home or settings.compiler.evm_version
            ),
            chains={alias: replace(chain) for alias, chain in settings.chains.items()},
            limits=replace(settings.limits),
            sender=parsed(sender),
            home=home,
        )

    @property
    def aliases(self) -> dict[str, int]:
        """What `createSelectFork` knows."""
        return {alias: chain.id for alias, chain in self.chains.items()}


class GroupArtifacts(Struct, kw_only=True):
    """Of one group, while it is carried out."""

    sources: tuple[ContractSource, ...] = ()
    script: str = ""
    """The last that was tried."""
    compilations: dict[str, Compilation] = field(default_factory=dict)
    """By the contract's name."""
    deployments: dict[str, CaptureJob] = field(default_factory=dict)
    """How a script was put on what the group sees, by `compilation:contract`."""
    captured: Capture | None = None
    replayed: Replay | None = None
    talk: Talk | None = None
    """With the model, while the script was mended."""
    evidence: tuple[str, ...] = ()
    """What bridges did, and what assertions found."""


def chain_ids(group: OperationGroup) -> list[int]:
    """Of all chains that a group names, as they come up; its own is the first."""
    amounts = (*group.funds, *(group.spends or ()))
    bridged = (side for bridge in group.bridges for side in (bridge.locked, bridge.minted))
    named = [] if group.chain is None else [group.chain]
    named += [one.chain_id for one in group.contracts]
    named += [one.chain_id for one in (*amounts, *bridged)]
    named += [one.chain_id for one in group.assertions]
    return list(dict.fromkeys(named))
