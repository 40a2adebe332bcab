"""What could not be read, for the shops."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from sales import places


def report(build: str) -> dict[str, Any]:
    """Write `rejects.txt`: file, line and reason of each row."""
    lines = []
    for path in sorted(places.rejected(build).glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            lines += [f"{name}:{line}: {reason}\n" for name, line, reason in csv.reader(file)]
    path = Path(build, "rejects.txt")
    places.write(path, "".join(lines))
    return {"report": str(path)}
