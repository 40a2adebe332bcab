"""Capture in process, and by forge where a script uses cheatcodes that there are none of there."""

from __future__ import annotations

from typing import Final

from stoker.chains.errors import ScriptRefused
from stoker.chains.evm.engine import Capturing
from stoker.chains.evm.job import Capture, CaptureJob

_UNKNOWN: Final = "an unknown cheatcode"
"""As the engine in process says it, whose refusals come as texts. What it knows and refuses is
refused."""


class FallbackEngine:
    """`Capturing`."""

    def __init__(self, first: Capturing, other: Capturing) -> None:
        self._first, self._other = first, other

    async def capture(self, job: CaptureJob) -> Capture:
        """Raises as the engine does that ends it."""
        try:
            return await self._first.capture(job)
        except ScriptRefused as error:
            if _UNKNOWN not in str(error):
                raise
        return await self._other.capture(job)
