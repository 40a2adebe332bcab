"""Texts of bounded size."""

from __future__ import annotations

from typing import Final

LIMIT: Final = 200_000
"""Characters of one text that an entry of a stream keeps."""


def clip(text: str, limit: int = LIMIT) -> str:
    """At most `limit` characters and a remark: a third of them from the head, the rest from
    the tail, where what matters usually is."""
    if len(text) <= limit:
        return text
    head = limit // 3
    tail = limit - head
    return f"{text[:head]}\n[... {len(text) - limit} characters left out ...]\n{text[-tail:]}"


def listed(lines: list[str], limit: int, what: str) -> str:
    """At most `limit` lines, and how many more there are."""
    if len(lines) <= limit:
        return "\n".join(lines)
    rest = f"[... {len(lines) - limit} more {what}; ask for less ...]"
    return "\n".join([*lines[:limit], rest])
