"""When a server that refused wants to be asked again."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping


def wanted(headers: Mapping[str, str]) -> float | None:
    """Seconds that it wants us to wait, if its headers say so."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            seconds = _until(value)
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    return None


def _until(date: str) -> float:
    from email.utils import parsedate_to_datetime

    try:
        due = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    return float(due.timestamp()) - time.time()
