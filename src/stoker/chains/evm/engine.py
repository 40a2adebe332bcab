"""What runs EVM code: an engine in process, a node, a program of others."""

from __future__ import annotations

from typing import Protocol

from stoker.chains.evm.job import Capture, CaptureJob, Replay, ReplayJob


class Capturing(Protocol):
    async def capture(self, job: CaptureJob) -> Capture:
        """Run a script with cheatcodes. What the script does wrong is in the answer; raises
        `ScriptRefused`, `LimitReached`, `RpcError`."""


class Replaying(Protocol):
    async def replay(self, job: ReplayJob) -> Replay:
        """Send transactions. What fails is in the answer; raises `LimitReached`, `RpcError`."""
