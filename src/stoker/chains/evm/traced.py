"""What a node's tracers tell of a transaction: geth's callTracer and prestateTracer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.chains.evm.frame import CallType, Frame, Log
from stoker.chains.hexadecimal import data, quantity
from stoker.chains.state.change import Access

_BALANCE, _SELFBALANCE = 0x31, 0x47
_PUSH1, _PUSH32 = 0x60, 0x7F
_WORDS: Final = {"OutOfGas": "out of gas", "OutOfFunds": "insufficient balance for transfer"}


class _Log(Struct):
    address: str
    topics: list[str]
    data: str = "0x"
    position: str | int = 0


class _Call(Struct, rename="camel"):
    type: CallType
    from_: str = msgspec.field(name="from")
    gas: str = "0x0"
    gas_used: str = "0x0"
    to: str | None = None
    value: str | None = None
    input: str = "0x"
    output: str | None = None
    error: str | None = None
    logs: list[_Log] | None = None
    calls: list[_Call] | None = None


class TracedAccount(Struct):
    """Of a prestateTracer. None: not told, and so, in a difference, as it was."""

    balance: str | None = None
    nonce: int | str | None = None
    code: str | None = None
    storage: dict[str, str] | None = None

    def slots(self) -> dict[int, int]:
        return {quantity(slot): quantity(value) for slot, value in (self.storage or {}).items()}


class Difference(Struct):
    """Of a prestateTracer in its mode of differences."""

    pre: dict[str, TracedAccount]
    post: dict[str, TracedAccount]


def read_frame(result: Any) -> Frame:
    """Raises `ValueError`, `msgspec.ValidationError`."""
    return _frame(msgspec.convert(result, _Call), 0)


def read_difference(result: Any) -> Difference:
    """Raises `msgspec.ValidationError`."""
    return msgspec.convert(result, Difference)


def read_prestate(result: Any) -> dict[bytes, set[int]]:
    """All that was touched: slots by account. Raises `ValueError`, `msgspec.ValidationError`."""
    told = msgspec.convert(result, dict[str, TracedAccount])
    return {data(name, 20): set(one.slots()) for name, one in told.items()}


def logs_of(frame: Frame) -> Iterator[Log]:
    """Those that count, in order: what a failed call said was not said."""
    if frame.error is not None:
        return
    calls = iter(frame.calls)
    told = 0
    for log in frame.logs:
        while told < log.position:
            yield from logs_of(next(calls))
            told += 1
        yield log
    for call in calls:
        yield from logs_of(call)


def frames_of(frame: Frame) -> Iterator[Frame]:
    """It, and all within it, in the order in which they began."""
    yield frame
    for call in frame.calls:
        yield from frames_of(call)


def note_access(
    access: Access, frame: Frame, touched: dict[bytes, set[int]], codes: dict[bytes, bytes]
) -> None:
    """Add what a transaction looked at. `codes`: of those that ran. Tracers do not say whose
    balance code asked for, so that is taken to be any it could have asked for."""
    for address, slots in touched.items():
        if slots:
            access.slots.setdefault(address, set()).update(slots)
    access.codes.update(touched)
    for one in frames_of(frame):
        if one.type == "CREATE":
            access.nonces.add(one.from_)
        creates = one.type in {"CREATE", "CREATE2"}
        looks = looks_at_balances(one.input if creates else codes.get(one.to, b""))
        if _BALANCE in looks:
            access.balances.update(touched)
        if _SELFBALANCE in looks:
            access.balances.add(one.from_ if one.type in {"DELEGATECALL", "CALLCODE"} else one.to)
        if one.error == _WORDS["OutOfFunds"]:
            access.balances.add(one.from_)


def pay(frame: Frame, running: dict[bytes, int], spent: dict[bytes, int]) -> None:
    """Follow a transaction's payments. `running`: what accounts have gained so far; `spent`: how
    much they must have had to begin with."""
    before = dict(running) if frame.error is not None else None
    if frame.value and frame.type in {"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"}:
        running[frame.from_] = running.get(frame.from_, 0) - frame.value
        spent[frame.from_] = max(spent.get(frame.from_, 0), -running[frame.from_])
        running[frame.to] = running.get(frame.to, 0) + frame.value
    for call in frame.calls:
        pay(call, running, spent)
    if before is not None:  # what was paid came back
        running.clear()
        running.update(before)


@lru_cache(maxsize=4096)
def looks_at_balances(code: bytes) -> frozenset[int]:
    """Which of BALANCE and SELFBALANCE it has among its instructions."""
    found = set()
    at = 0
    while at < len(code):
        instruction = code[at]
        if instruction in {_BALANCE, _SELFBALANCE}:
            found.add(instruction)
        at += 1 + (instruction - _PUSH1 + 1 if _PUSH1 <= instruction <= _PUSH32 else 0)
    return frozenset(found)


def _frame(told: _Call, depth: int) -> Frame:
    return Frame(
        type=told.type,
        from_=data(told.from_, 20),
        to=data(told.to, 20) if told.to and told.error is None else data(told.to or "0x"),
        value=quantity(told.value or "0x0"),
        gas=quantity(told.gas),
        gas_used=quantity(told.gas_used),
        input=data(told.input),
        output=data(told.output or "0x"),
        error=None if told.error is None else _WORDS.get(told.error, told.error),
        logs=tuple(
            Log(
                data(log.address, 20),
                tuple(data(topic, 32) for topic in log.topics),
                data(log.data),
                log.position if isinstance(log.position, int) else quantity(log.position),
            )
            for log in told.logs or ()
        ),
        calls=tuple(_frame(call, depth + 1) for call in told.calls or ()),
        depth=depth,
    )
