"""What the compiler is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from stoker.chains.solidity.diagnostic import Diagnostic


class CompilerSettings(Struct, frozen=True, kw_only=True):
    """Of one group, never shared."""

    evm_version: str = "prague"
    optimizer: bool = False
    runs: int = 200
    via_ir: bool = False


class Compilation(Struct, frozen=True, kw_only=True):
    """One contract, compiled."""

    name: str
    file: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    """Creation code; where libraries are still to be linked, their places hold zeros."""
    runtime: bytes
    links: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """`file:Library` -> where its address goes in `bytecode`, in bytes."""
    libraries: tuple[Compilation, ...] = ()
    """Those it links, in the order they are to be deployed."""
    warnings: tuple[Diagnostic, ...] = ()
    solc: str = ""
    """The compiler's full version."""
    contracts: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    """ABIs of all contracts in the sources, by name, to decode traces with."""
    creations: Mapping[str, bytes] = field(default_factory=dict)
    """Creation code of the contracts that the sources make with `new`, by name."""
