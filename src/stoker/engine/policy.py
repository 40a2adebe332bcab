"""Again, and when? And what a failure means for the rest. Pure."""

from __future__ import annotations

from stoker.plan.model import Retry


def may_retry(exit_code: int | None, retry: Retry, retries: int, failures: int) -> bool:
    """Whether another attempt follows the `failures`-th failed one, which ended so."""
    if failures > retries:
        return False
    codes = retry.on_exit_codes
    return codes is None or exit_code in codes


def delay(retry: Retry, failures: int, draw: float) -> float:
    """Seconds to wait before the attempt after the `failures`-th failure.

    Exponential: delay * backoff^(failures-1), capped, then moved by up to `jitter` of
    itself in either direction; `draw` is uniform in [0, 1).
    """
    try:
        grown = retry.delay_sec * retry.backoff ** (failures - 1)
    except OverflowError:  # long past the cap
        grown = retry.max_delay_sec
    base = min(grown, retry.max_delay_sec)
    return max(0.0, base * (1 + retry.jitter * (2 * draw - 1)))
