"""Which files there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sales import places


def discover(data: str, build: str) -> dict[str, Any]:
    """The names of the CSV files in `data`. Raises `NotADirectoryError`."""
    if not Path(data).is_dir():
        raise NotADirectoryError(f"data: there is no directory {data}")
    names = sorted(path.name for path in Path(data).glob("*.csv"))
    made = [*places.clean(build).glob("*/*.csv"), *places.rejected(build).glob("*.csv")]
    for path in made:
        if path.name not in names:
            path.unlink()
    return {"files": names}
