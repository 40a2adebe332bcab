"""What models write, and what was said with them."""

from __future__ import annotations

from msgspec import Struct

from stoker.agents.builtin.entries import Message, Usage


class ExtractedFunction(Struct, frozen=True):
    signature: str
    abi: str
    description: str | None = None
    body: str | None = None
    arguments: tuple[str, ...] | None = None


class ExtractedContractInfo(Struct, frozen=True):
    address: str
    interface_name: str
    functions: tuple[ExtractedFunction, ...]
    storages: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    description: str | None = None


class ImportSpec(Struct, frozen=True):
    """`import {interface_name} from "source";`"""

    interface_name: str
    source: str


class Interface(Struct, frozen=True):
    """An interface that stands in the script itself."""

    name: str
    solidity_code: str


class CodeLine(Struct, frozen=True):
    """A statement, and what it needs."""

    line: str
    import_spec: ImportSpec | None = None
    interface: Interface | None = None


class ScriptBlock(Struct, frozen=True):
    codelines: tuple[CodeLine, ...]


class Talk(Struct, frozen=True, kw_only=True):
    """All of it, in its order, and what it took."""

    messages: tuple[Message, ...]
    rounds: int
    """Answers of the model."""
    restarted: bool
    """Whether it began once more from scratch."""
    usage: Usage
