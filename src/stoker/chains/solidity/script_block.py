"""The lines of a script, as a model writes them."""

from __future__ import annotations

from msgspec import Struct


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
