"""How a command of a project is run while it is verified: confined, for a limited time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class Ran(Struct, frozen=True, kw_only=True):
    """How a command ended."""

    exit_code: int | None
    """None: it did not end in time, or wrote too much."""
    seconds: float
    output: bytes
    """Both streams, as written; at most 16 MiB."""
    trouble: str = ""
    """Why there is no exit code."""


class Runner(Protocol):
    """Runs commands for `verify`. What they are is a repository's own affair: nothing they do
    may reach beyond `directory` and `scratch`."""

    directory: str
    """Absolute; empty at first. The files to verify are written here."""
    scratch: str
    """Absolute; empty at first. Caches and reports of the commands."""

    async def run(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], seconds: float
    ) -> Ran:
        """Run `argv` to its end in `cwd`, in or at `directory`, with `env` beside the usual."""

    def redact(self, text: str) -> str:
        """`text` without secrets."""
