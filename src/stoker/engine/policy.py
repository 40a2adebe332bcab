"""Again, and when? And what a failure means for the rest. Pure."""

from __future__ import annotations

from msgspec import Struct

from stoker.plan.model import Retry


class Failure(Struct, frozen=True):
    """An attempt that did not succeed."""

    exit_code: int | None
    error: str


def may_retry(failure: Failure, retry: Retry, retries: int, failures: int) -> bool:
    """Whether another attempt follows the `failures`-th failed one."""
    if failures > retries:
        return False
    codes = retry.on_exit_codes
    return codes is None or (failure.exit_code is not None and failure.exit_code in codes)


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
