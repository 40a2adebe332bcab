"""The page of one month."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from typing import Any

from sales import html, places
from sales.order import Order, parse


def page(build: str, month: str) -> dict[str, Any]:
    """Write the page; how many orders it shows, and their revenue."""
    products: dict[str, list[Order]] = defaultdict(list)
    for part in sorted((places.clean(build) / month).glob("*.csv")):
        with part.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                order = parse(row)
                products[order.product].append(order)
    revenue = {name: _sum(orders) for name, orders in products.items()}
    best = sorted(products, key=lambda name: (-revenue[name], name))
    rows = [(name, sum(order.quantity for order in products[name]), revenue[name]) for name in best]
    text = html.page(f"Sales of {month}", ("product", "pieces", "revenue"), rows)
    places.write(places.site(build) / f"{month}.html", text)
    total = sum(revenue.values(), Decimal("0.00"))
    return {"orders": sum(map(len, products.values())), "revenue": str(total)}


def _sum(orders: list[Order]) -> Decimal:
    return sum((order.revenue for order in orders), Decimal("0.00"))
