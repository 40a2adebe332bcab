"""One shop's file: readable rows by month, unreadable ones set apart."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sales import places
from sales.order import COLUMNS, Order, Unreadable, parse


def clean(data: str, build: str, name: str) -> dict[str, Any]:
    """Sort the rows. Raises `ValueError` if the file has not the columns it must have."""
    months: dict[str, list[Order]] = defaultdict(list)
    rejects: list[list[str]] = []
    seen: set[str] = set()
    with Path(data, name).open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
            found = ", ".join(rows.fieldnames or ()) or "nothing"
            raise ValueError(f"{name}: no column {', '.join(missing)}; the first line has {found}")
        for row in rows:
            try:
                order = parse(row, seen)
            except Unreadable as error:
                rejects.append([name, str(rows.line_num), str(error)])
            else:
                seen.add(order.order)
                months[order.month].append(order)
    for old in places.clean(build).glob(f"*/{name}"):
        if old.parent.name not in months:
            old.unlink()
    for month, orders in months.items():
        text = _table([COLUMNS, *(order.row() for order in orders)])
        places.write(places.clean(build) / month / name, text)
    places.write(places.rejected(build) / name, _table(rejects))
    return {"rows": len(seen), "rejected": len(rejects), "months": sorted(months)}


def _table(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
