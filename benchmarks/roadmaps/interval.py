"""How sure a share is."""

from __future__ import annotations

import math

_Z = 1.959964  # 95%


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The Wilson score interval of a share, 95%: (low, high), 0 to 1. E. B. Wilson, 1927."""
    if not trials:
        return 0.0, 1.0
    share, z2 = hits / trials, _Z * _Z
    centre = share + z2 / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    scale = 1 + z2 / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
