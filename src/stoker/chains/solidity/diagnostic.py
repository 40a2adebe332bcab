"""What solc says of a source."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Diagnostic(Struct, frozen=True, kw_only=True):
    severity: Literal["error", "warning", "info"]
    message: str
    file: str = ""
    line: int = 0
    """From 1; 0: of no line."""
    column: int = 0
    code: str = ""
    """solc's number of it."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else ""
        return f"{place}{self.message}"
