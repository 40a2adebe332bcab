"""What the compiler is asked for, what it gives, and what it says of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from msgspec import Struct, field

from stoker.chains.solidity.tokens import place

SCRIPT: Final = "Script.s.sol"
"""What the compiler calls a script that has no name."""


class Diagnostic(Struct, frozen=True, kw_only=True):
    message: str
    severity: Literal["error", "warning", "info"] = "error"
    file: str = ""
    line: int = 0
    """From 1; 0: of no line."""
    column: int = 0
    code: str = ""
    """solc's number of it."""

    @classmethod
    def at(cls, index: int, message: str, *, file: str, text: str) -> Self:
        """An error at a character of the text of a file."""
        line, column = place(text, index)
        return cls(message=message, file=file, line=line, column=column)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else ""
        return f"{place}{self.message}"


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
