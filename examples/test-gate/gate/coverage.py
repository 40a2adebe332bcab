"""What the tests covered, and whether that is enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def percent(report: Path) -> float:
    """The share of the project covered, from the JSON report of coverage.py.
    Raises `ValueError` naming the report if it is none."""
    try:
        found: Any = json.loads(report.read_text())["totals"]["percent_covered"]
        return round(float(found), 2)
    except FileNotFoundError:
        raise ValueError(f"{report}: the coverage command wrote no report") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{report}: expected the JSON report of coverage.py ({error})") from error


def worst(report: Path, count: int = 5) -> list[tuple[str, float]]:
    """The files with the most lines that no test runs, and what is covered of each."""
    files = json.loads(report.read_text())["files"]
    missing = {name: file["summary"]["missing_lines"] for name, file in files.items()}
    names = sorted((name for name in files if missing[name]), key=lambda name: -missing[name])
    return [(name, round(files[name]["summary"]["percent_covered"], 1)) for name in names[:count]]
