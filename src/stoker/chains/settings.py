"""How this project's chains are reached, and what groups may take."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from stoker.chains.evm.job import Limits
from stoker.chains.solidity.compilation import CompilerSettings


class ChainSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One chain; its alias is its name in the table."""

    id: int
    rpc: str
    """URL; `${NAME}` is taken from the environment."""
    evm_version: str | None = None
    """Default: the compiler settings'."""
    block: int | None = None
    """The block plans begin from; default: the latest when a plan first needs the chain."""
    signs: bool = False
    """Whether the RPC has the sender's key, so that `broadcast` may send through it."""


class SourceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    etherscan: str | None = "https://api.etherscan.io"
    etherscan_key: str = ""
    """`${NAME}` is taken from the environment."""
    sourcify: str | None = "https://sourcify.dev"
    wait: float = 60.0
    """Seconds that a group waits for its sources."""


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any OpenAI-compatible endpoint."""

    base_url: str
    model: str
    api_key: str = ""
    """`${NAME}` is taken from the environment."""
    attempts: int = 3
    """At an answer that is valid."""
    timeout: float = 120.0


class RepairSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rounds: int = 12
    """Of the script agent, before it begins once more from scratch."""
    seconds: float = 600.0
    """In all."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    chains: dict[str, ChainSettings]
    sender: str | None = None
    sources: SourceSettings = SourceSettings()
    model: ModelSettings | None = None
    """None: only groups that bring their script can be run."""
    compiler: CompilerSettings = CompilerSettings()
    solc: str | None = None
    """A solc program, or a directory of solc-js, instead of those that are found."""
    limits: Limits = Limits()
    repair: RepairSettings = RepairSettings()
    capture: Literal["py-evm", "forge"] = "py-evm"
    """`forge`: scripts may use cheatcodes that py-evm does not have, but for those that reach out
    of the chains, and forge (on PATH, in a sandbox) runs those that do."""
    replay: Literal["py-evm", "anvil"] = "py-evm"
    forge: str | None = None
    """The program; default: that on PATH."""
    anvil: str | None = None
    """The same."""
    workers: int = field(default=0)
    """Processes that run EVM code; 0: as many as there are processors."""
