"""What solc says of a source."""

from __future__ import annotations

from typing import Literal, Self

from msgspec import Struct

from stoker.chains.solidity.tokens import place


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
