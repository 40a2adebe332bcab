"""What the shops' files amount to together."""

from __future__ import annotations

from typing import Any


def collect(
    rows: list[int] | None, rejected: list[int] | None, months: list[list[str]] | None
) -> dict[str, Any]:
    """One entry per shop in each list; None if there is no shop."""
    read, lost = sum(rows or ()), sum(rejected or ())
    return {
        "all_months": sorted({month for found in months or () for month in found}),
        "rows": read,
        "rejected": lost,
        "rejected_percent": round(100 * lost / max(1, read + lost), 2),
    }
