"""What workers and the pool say to each other: a tag, and JSON, whose numbers may have 256 bits."""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from stoker.chains.evm.environment import Pin
from stoker.chains.evm.job import Chains, Limits

HEAD: Final = struct.Struct(">cI")
"""Tag, and how many bytes follow."""
CAPTURE, REPLAY, CALL = b"C", b"R", b"V"
"""Jobs."""
ACCOUNTS, SLOTS, BLOCK = b"A", b"S", b"B"
"""What a worker asks; answered by the same tag."""
DONE, REFUSED, LIMITED, BROKEN = b"D", b"X", b"L", b"E"
"""How a job ends: its result, or a text that says why there is none."""
FORK, KILL = b"F", b"K"
"""What the pool asks of the process that workers are forked from; the answer to the first is the
same with the worker's id, the other has none."""
COMMAND: Final = struct.Struct(">cq")


class AskAccounts(Struct, frozen=True):
    pin: Pin
    addresses: list[bytes]


class AskSlots(Struct, frozen=True):
    pin: Pin
    slots: list[tuple[bytes, int]]


class AskBlock(Struct, frozen=True):
    pin: Pin
    number: int


Found = list[tuple[int, int, bytes]]
"""Balance, nonce and code of accounts."""


class CallJob(Struct, frozen=True, kw_only=True):
    """A call that nobody sends: what it would return."""

    chains: Chains
    chain_id: int
    to: bytes
    data: bytes
    sender: bytes = bytes(20)
    value: int = 0
    limits: Limits = Limits()


class Called(Struct, frozen=True):
    succeeded: bool
    output: bytes
    error: str | None = None
