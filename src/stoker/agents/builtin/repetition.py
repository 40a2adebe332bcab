"""A model that goes in circles."""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST = 3


def rounds(steps: Sequence[object]) -> int:
    """How many times in a row the last step, or the last two or three, were the same."""
    most = 1
    for period in range(1, _LONGEST + 1):
        last = steps[len(steps) - period :]
        count = 1
        while len(steps) >= (count + 1) * period:
            start = len(steps) - (count + 1) * period
            if steps[start : start + period] != last:
                break
            count += 1
        most = max(most, count)
    return most if steps else 0
