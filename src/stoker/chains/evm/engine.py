"""What runs EVM code: an engine in process, a node, a program of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from stoker.chains.evm.environment import Pin
from stoker.chains.evm.job import Capture, CaptureJob, Replay, ReplayJob
from stoker.chains.state.change import Override


class Account(Protocol):
    """An account at a pinned block."""

    @property
    def balance(self) -> int: ...
    @property
    def nonce(self) -> int: ...
    @property
    def code(self) -> bytes: ...


class RemoteState(Protocol):
    """The state of chains at pinned blocks. Immutable, so that whoever asks first asks for all."""

    async def accounts(self, pin: Pin, addresses: Sequence[bytes]) -> Sequence[Account]:
        """In the order asked for. Raises `RpcError`."""

    async def slots(self, pin: Pin, asked: Sequence[tuple[bytes, int]]) -> Sequence[int]:
        """Values of (address, slot), in the order asked for. Raises `RpcError`."""

    async def block_hash(self, pin: Pin, number: int) -> bytes:
        """Raises `RpcError`."""

    async def prefetch(
        self,
        pin: Pin,
        calls: Sequence[tuple[bytes, bytes | None, int, bytes]],
        overrides: Mapping[bytes, Override] | None = None,
    ) -> None:
        """Have at hand what these calls (from, to, value, data), each on its own, touch, if the
        node can tell; `overrides`, by address, hold for all of them. It is an attempt: nothing
        is raised, and what it did not bring is asked for when somebody looks at it."""


class Capturing(Protocol):
    async def capture(self, job: CaptureJob) -> Capture:
        """Run a script with cheatcodes. What the script does wrong is in the answer; raises
        `ScriptRefused`, `LimitReached`, `RpcError`."""


class Replaying(Protocol):
    async def replay(self, job: ReplayJob) -> Replay:
        """Send transactions. What fails is in the answer; raises `LimitReached`, `RpcError`."""
