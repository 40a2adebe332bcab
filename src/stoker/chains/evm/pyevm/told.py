"""Calls, as they are told when they are over."""

from __future__ import annotations

from msgspec import structs

from stoker.chains.evm.frame import Frame
from stoker.chains.evm.pyevm.computation import Computation, Message
from stoker.chains.evm.pyevm.faults import words


def frame_of(made: Computation, gas_used: int | None = None) -> Frame:
    """What is told of a call."""
    message = made.msg
    failed = made.fault is not None
    return Frame(
        type=message.kind,
        from_=message.storage_address if message.kind == "DELEGATECALL" else message.sender,
        to=(b"" if failed else message.storage_address) if message.creates else _target(message),
        value=message.value,
        gas=message.gas,
        gas_used=message.gas - made.gas if gas_used is None else gas_used,
        input=message.code if message.creates else message.data,
        output=made.output,
        error=words(made.fault) if made.fault is not None else None,
        logs=tuple(made.logs),
        calls=tuple(map(_silent, made.calls)) if failed else tuple(made.calls),
        depth=message.depth,
    )


def _silent(frame: Frame) -> Frame:
    """What was logged within a call that failed was not."""
    if not frame.logs and not frame.calls:
        return frame
    return structs.replace(frame, logs=(), calls=tuple(map(_silent, frame.calls)))


def _target(message: Message) -> bytes:
    if message.kind in ("DELEGATECALL", "CALLCODE") or message.delegated:
        return message.to
    return message.storage_address
