"""A call and the calls within it, as geth's callTracer tells them: all engines speak this."""

from __future__ import annotations

from collections.abc import Iterator
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


def walk(frame: Frame) -> Iterator[Frame]:
    """A frame and all within it, whatever came of them."""
    stack = [frame]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(reversed(one.calls))


def standing(frame: Frame) -> Iterator[Frame | tuple[Frame, Log]]:
    """A frame and all within it that stands: nothing that failed, nor what was within that. Logs
    are among their calls, each with the frame that wrote it."""
    stack: list[Frame | tuple[Frame, Log]] = [frame]
    while stack:
        one = stack.pop()
        if isinstance(one, tuple):
            yield one
        elif one.error is None:
            yield one
            stack.extend(reversed(list(steps(one))))


def steps(frame: Frame) -> Iterator[Frame | tuple[Frame, Log]]:
    """A frame's own logs and calls, as they followed each other."""
    position = 0
    for log in frame.logs:
        yield from frame.calls[position : log.position]
        position = max(position, log.position)
        yield frame, log
    yield from frame.calls[position:]


def logs_of(frame: Frame) -> tuple[Log, ...]:
    """Those that count, in order: what a failed call said was not said."""
    return tuple(one[1] for one in standing(frame) if isinstance(one, tuple))
