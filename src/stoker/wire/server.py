"""The server itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Health(Struct, frozen=True):
    """It answers."""

    status: Literal["ok"] = "ok"


class ServerStats(Struct, frozen=True, kw_only=True):
    """The server at this moment."""

    uptime_sec: float
    runs: dict[str, int]
    """Runs of the journal that are not over, by status."""
    driven: int
    """Runs this server drives."""
    streams: int
    """Open ones."""
