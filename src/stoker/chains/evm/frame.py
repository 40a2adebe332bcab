"""A call and the calls within it, as geth's callTracer tells them: both engines speak this."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

CallType = Literal[
    "CALL", "CALLCODE", "STATICCALL", "DELEGATECALL", "CREATE", "CREATE2", "SELFDESTRUCT"
]


class Log(Struct, frozen=True):
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    position: int = 0
    """How many calls of its frame came before it."""


class Frame(Struct, frozen=True, kw_only=True):
    type: CallType
    from_: bytes
    to: bytes
    """Of a creation: what was created, empty if that failed."""
    value: int
    gas: int
    gas_used: int
    input: bytes
    output: bytes
    """What was returned, or reverted with."""
    error: str | None = None
    """`execution reverted`, `out of gas`, ...; None: it succeeded."""
    logs: tuple[Log, ...] = ()
    calls: tuple[Frame, ...] = ()
    depth: int = 0
