"""Pinned state in a worker: what it has been told, and the pool asked for the rest, while the job's
time stands still."""

from __future__ import annotations

import signal
import socket
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import msgspec

from stoker.chains.errors import LimitReached
from stoker.chains.evm.job import Pin
from stoker.chains.evm.pyevm import wire

_PINS = 16
_KEPT = 200_000
"""Accounts and slots, at which a worker forgets a block's."""


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


class Channel:
    """The pool's end of a socket. A pool that is gone ends the worker."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, tag: bytes, payload: bytes) -> None:
        self._connection.sendall(wire.HEAD.pack(tag, len(payload)) + payload)

    def receive(self) -> tuple[bytes, bytes]:
        tag, size = wire.HEAD.unpack(self._exactly(wire.HEAD.size))
        return tag, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._connection.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise SystemExit(0)
            parts += part
        return bytes(parts)


class _Known:
    __slots__ = ("accounts", "blocks", "slots")

    def __init__(self) -> None:
        self.accounts: dict[bytes, tuple[int, int, bytes]] = {}
        self.slots: dict[tuple[bytes, int], int] = {}
        self.blocks: dict[int, bytes] = {}


class Source:
    """Pinned state, asked for and waited for; `clock` is stopped meanwhile."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._known: OrderedDict[tuple[int, bytes], _Known] = OrderedDict()

    def want(self, pin: Pin, addresses: Iterable[bytes]) -> None:
        """These accounts will be looked at: one question for all of them."""
        known = self._at(pin)
        missing = [one for one in dict.fromkeys(addresses) if one not in known.accounts]
        if missing:
            answer = self._ask(wire.ACCOUNTS, (pin, missing))
            found = msgspec.json.decode(answer, type=wire.Found)
            known.accounts.update(zip(missing, found, strict=True))

    def account(self, pin: Pin, address: bytes) -> tuple[int, int, bytes]:
        """Balance, nonce, code."""
        self.want(pin, (address,))
        return self._at(pin).accounts[address]

    def slot(self, pin: Pin, address: bytes, slot: int) -> int:
        known = self._at(pin).slots
        value = known.get((address, slot))
        if value is None:
            answer = self._ask(wire.SLOTS, (pin, [(address, slot)]))
            value = known[address, slot] = msgspec.json.decode(answer, type=list[int])[0]
        return value

    def block_hash(self, pin: Pin, number: int) -> bytes:
        known = self._at(pin).blocks
        if number not in known:
            answer = self._ask(wire.BLOCK, (pin, number))
            known[number] = msgspec.json.decode(answer, type=bytes)
        return known[number]

    def _at(self, pin: Pin) -> _Known:
        key = (pin.chain_id, pin.hash)
        known = self._known.get(key)
        if known is None or len(known.accounts) + len(known.slots) > _KEPT:
            known = self._known[key] = _Known()
            if len(self._known) > _PINS:
                self._known.popitem(last=False)
        return known

    def _ask(self, tag: bytes, question: wire.AskAccounts | wire.AskSlots | wire.AskBlock) -> bytes:
        with self._clock.stopped():
            self._channel.send(tag, msgspec.json.encode(question))
            _, answer = self._channel.receive()
        return answer
