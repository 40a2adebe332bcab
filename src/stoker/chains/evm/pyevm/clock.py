"""How long a job may run, apart from what it waits for."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from stoker.chains.errors import LimitReached


class Clock:
    """Raises `LimitReached` in the main thread, wherever it is, when a job's time is up."""

    def __init__(self) -> None:
        self._seconds = 0.0
        signal.signal(signal.SIGALRM, self._ring)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        raise LimitReached(f"it ran for {self._seconds:g} s, which is what it may")

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        self._seconds = seconds
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            yield
        finally:
            if left:
                signal.setitimer(signal.ITIMER_REAL, left)
