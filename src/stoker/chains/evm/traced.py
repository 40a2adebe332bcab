"""What a node's tracers tell of a transaction: geth's callTracer and prestateTracer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.chains.evm.frame import CallType, Frame, Log, walk
from stoker.chains.hexadecimal import data, quantity
from stoker.chains.state.change import Access
from stoker.chains.state.told import TracedAccount

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


class Difference(Struct):
    """Of a prestateTracer in its mode of differences."""

    pre: dict[str, TracedAccount]
    post: dict[str, TracedAccount]


def read_frame(result: Any) -> Frame:
    """Raises `ValueError`, `msgspec.ValidationError`."""
    try:
        return _frame(msgspec.convert(result, _Call))
    except RecursionError:
        raise ValueError("its calls are nested too deeply to be read") from None


def read_difference(result: Any) -> Difference:
    """Raises `msgspec.ValidationError`."""
    return msgspec.convert(result, Difference)


def read_prestate(result: Any) -> dict[bytes, set[int]]:
    """All that was touched: slots by account. Raises `ValueError`, `msgspec.ValidationError`."""
    told = msgspec.convert(result, dict[str, TracedAccount])
    return {data(name, 20): set(one.slots()) for name, one in told.items()}


def note_access(
    access: Access, frame: Frame, touched: dict[bytes, set[int]], codes: dict[bytes, bytes]
) -> None:
    """Add what a transaction looked at. `codes`: of those that ran. Tracers do not say whose
    balance code asked for, so that is taken to be any it could have asked for."""
    for address, slots in touched.items():
        if slots:
            access.slots.setdefault(address, set()).update(slots)
    access.codes.update(touched)
    for one in walk(frame):
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
    todo: list[Frame | dict[bytes, int]] = [frame]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):  # what a failed call paid came back
            running.clear()
            running.update(one)
            continue
        if one.error is not None:
            todo.append(dict(running))
        if one.value and one.type in {"CALL", "CREATE", "CREATE2", "SELFDESTRUCT"}:
            running[one.from_] = running.get(one.from_, 0) - one.value
            spent[one.from_] = max(spent.get(one.from_, 0), -running[one.from_])
            running[one.to] = running.get(one.to, 0) + one.value
        todo.extend(reversed(one.calls))


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


def _frame(told: _Call) -> Frame:
    """Not by recursion: calls may be a thousand deep."""
    found = [(told, 0)]
    for call, depth in found:
        found.extend((one, depth + 1) for one in call.calls or ())
    made: dict[int, Frame] = {}
    for call, depth in reversed(found):
        made[id(call)] = Frame(
            type=call.type,
            from_=data(call.from_, 20),
            to=data(call.to, 20) if call.to and call.error is None else data(call.to or "0x"),
            value=quantity(call.value or "0x0"),
            gas=quantity(call.gas),
            gas_used=quantity(call.gas_used),
            input=data(call.input),
            output=data(call.output or "0x"),
            error=None if call.error is None else _WORDS.get(call.error, call.error),
            logs=tuple(map(_log, call.logs or ())),
            calls=tuple(made[id(one)] for one in call.calls or ()),
            depth=depth,
        )
    return made[id(told)]


def _log(told: _Log) -> Log:
    place = told.position if isinstance(told.position, int) else quantity(told.position)
    topics = tuple(data(topic, 32) for topic in told.topics)
    return Log(data(told.address, 20), topics, data(told.data), place)
