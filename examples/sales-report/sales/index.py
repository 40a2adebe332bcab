"""The front page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sales import html, places


def index(
    build: str, months: list[str], orders: list[int] | None, revenue: list[str] | None
) -> dict[str, Any]:
    """Write it, and remove pages of months that are gone; the revenue of all months."""
    site = places.site(build)
    for page in site.glob("*.html"):
        if page.stem not in (*months, "index"):
            page.unlink()
    total = sum(map(Decimal, revenue or ()), Decimal("0.00"))
    rows = list(zip(months, orders or (), revenue or (), strict=True))
    text = html.page(f"Sales: {total}", ("month", "orders", "revenue"), rows, links=True)
    places.write(site / "index.html", text)
    return {"total": str(total)}
