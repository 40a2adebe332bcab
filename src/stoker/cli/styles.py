"""Which colour says what."""

from __future__ import annotations

from typing import Final

_STYLES: Final = {
    "succeeded": ("green",),
    "failed": ("red",),
    "timed_out": ("red",),
    "lost": ("red",),
    "interrupted": ("red",),
    "quarantined": ("yellow", "bold"),
    "waiting": ("yellow",),
    "paused": ("yellow",),
    "suspended": ("yellow",),
    "canceled": ("yellow",),
    "running": ("cyan",),
    "starting": ("cyan",),
    "skipped": ("dim",),
    "pending": ("dim",),
}


def status_style(status: str) -> tuple[str, ...]:
    """Styles (`Stream.style`) of a run's, step's or attempt's status."""
    return _STYLES.get(status, ())
