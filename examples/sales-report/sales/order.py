"""One order, as a shop's CSV file has it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

COLUMNS = ("order", "date", "product", "quantity", "price")
CENT = Decimal("0.01")


class Unreadable(Exception):
    """A row that is no order; the message says which field is wrong."""


@dataclass(frozen=True)
class Order:
    order: str
    date: date
    product: str
    quantity: int
    price: Decimal
    """Of one piece."""

    @property
    def month(self) -> str:
        """`2026-01`."""
        return f"{self.date:%Y-%m}"

    @property
    def revenue(self) -> Decimal:
        return self.quantity * self.price

    def row(self) -> list[str]:
        """The values of `COLUMNS`."""
        price = str(self.price)
        return [self.order, self.date.isoformat(), self.product, str(self.quantity), price]


def parse(row: Mapping[str, str | None], seen: Collection[str] = ()) -> Order:
    """Read a row. Raises `Unreadable`, also for an order that was `seen` before."""
    fields = {name: (row.get(name) or "").strip() for name in COLUMNS}
    for name in ("order", "product"):
        if not fields[name]:
            raise Unreadable(f"{name}: nothing there")
    if fields["order"] in seen:
        raise Unreadable(f"order: {fields['order']!r} was there before")
    try:
        day = date.fromisoformat(fields["date"])
    except ValueError:
        raise Unreadable(f"date: expected YYYY-MM-DD, found {fields['date']!r}") from None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", fields["quantity"]):
        raise Unreadable(f"quantity: expected a count, found {fields['quantity']!r}")
    try:
        price = Decimal(fields["price"])
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and 0 <= price < 10**9):
        raise Unreadable(f"price: expected an amount, found {fields['price']!r}")
    quantity = int(fields["quantity"])
    return Order(fields["order"], day, fields["product"], quantity, price.quantize(CENT))
