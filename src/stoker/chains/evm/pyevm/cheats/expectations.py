"""What the next calls must come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth.exceptions import Revert
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from msgspec import Struct

from stoker.chains.evm.frame import Log
from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat, failed

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation, Message
    from stoker.chains.evm.pyevm.script import Script

_DUMMY = bytes(8192)
"""What a call that reverted as expected returns: zeros of whatever type."""
_ERROR = bytes.fromhex("08c379a0")
_CHEAT_ERROR = bytes.fromhex("eeaa9e6f")


class ExpectedRevert(Struct):
    """Of the next call at `depth`, or above. `data` None: any."""

    depth: int
    data: bytes | None
    partial: bool = False
    reverter: bytes | None = None
    seen: bytes | None = None
    """Who reverted first."""


class ExpectedLog(Struct):
    """The next log of the script is what one of the next call's must be like."""

    depth: int
    topics: tuple[bool, ...]
    data: bool
    emitter: bytes | None
    wanted: Log | None = None
    found: bool = False


class ExpectedCall(Struct):
    to: bytes
    value: int | None
    data: bytes
    least: int
    exact: bool
    count: int = 0


def _revert(
    script: Script,
    caller: Computation,
    data: bytes | None,
    partial: bool = False,
    reverter: bytes | None = None,
) -> None:
    if script.expected_revert is not None:
        raise CheatFailed("you must call another function prior to expecting a second revert")
    script.expected_revert = ExpectedRevert(caller.msg.depth, data, partial, reverter)


@cheat("expectRevert()")
def expect_any_revert(script: Script, caller: Computation) -> None:
    _revert(script, caller, None)


@cheat("expectRevert(bytes4)", "expectRevert(bytes)")
def expect_revert(script: Script, caller: Computation, data: bytes) -> None:
    _revert(script, caller, data)


@cheat("expectRevert(address)")
def expect_any_revert_by(script: Script, caller: Computation, reverter: bytes) -> None:
    _revert(script, caller, None, reverter=reverter)


@cheat("expectRevert(bytes4,address)", "expectRevert(bytes,address)")
def expect_revert_by(script: Script, caller: Computation, data: bytes, reverter: bytes) -> None:
    _revert(script, caller, data, reverter=reverter)


@cheat("expectPartialRevert(bytes4)")
def expect_partial_revert(script: Script, caller: Computation, data: bytes) -> None:
    _revert(script, caller, data, partial=True)


@cheat("expectEmit()", "expectEmit(bool,bool,bool,bool)", "expectEmit(bool,bool,bool,bool,address)")
def expect_emit(script: Script, caller: Computation, *checks: bool | bytes) -> None:
    flags = [bool(one) for one in checks[:4]] or [True] * 4
    emitter = next((one for one in checks if isinstance(one, bytes)), None)
    expected = ExpectedLog(caller.msg.depth, (True, *flags[:3]), flags[3], emitter)
    script.expected_logs.append(expected)


@cheat("expectEmit(address)")
def expect_emit_by(script: Script, caller: Computation, emitter: bytes) -> None:
    script.expected_logs.append(ExpectedLog(caller.msg.depth, (True,) * 4, True, emitter))


@cheat("expectCall(address,bytes)")
def expect_call(script: Script, caller: Computation, to: bytes, data: bytes) -> None:
    script.expected_calls.append(ExpectedCall(to, None, data, 1, False))


@cheat("expectCall(address,uint256,bytes)")
def expect_call_value(
    script: Script, caller: Computation, to: bytes, value: int, data: bytes
) -> None:
    script.expected_calls.append(ExpectedCall(to, value, data, 1, False))


@cheat("expectCall(address,bytes,uint64)")
def expect_calls(script: Script, caller: Computation, to: bytes, data: bytes, count: int) -> None:
    script.expected_calls.append(ExpectedCall(to, None, data, count, True))


@cheat("expectCall(address,uint256,bytes,uint64)")
def expect_calls_value(
    script: Script, caller: Computation, to: bytes, value: int, data: bytes, count: int
) -> None:
    script.expected_calls.append(ExpectedCall(to, value, data, count, True))


def called(script: Script, message: Message) -> None:
    """Count it."""
    for one in script.expected_calls:
        if (
            one.to == message.code_address
            and message.data.startswith(one.data)
            and (one.value is None or (message.transfers and one.value == message.value))
        ):
            one.count += 1


def unmet_calls(script: Script) -> str | None:
    """At the end of a script: the call it expected and did not make."""
    for one in script.expected_calls:
        if one.count < one.least or (one.exact and one.count != one.least):
            to = to_checksum_address(one.to)
            return (
                f"expected call to {to} with data 0x{one.data.hex()} to be called "
                f"{one.least} time{'' if one.least == 1 else 's'}, but was called {one.count} "
                f"time{'' if one.count == 1 else 's'}"
            )
    return None


def logged(script: Script, log: Log) -> None:
    """A log while some are expected: the first after an expectation is what it is to be like."""
    for one in script.expected_logs:
        if one.wanted is None:
            one.wanted = log
            return
    for one in script.expected_logs:
        if not one.found and one.wanted is not None:
            one.found = _alike(one, one.wanted, log)
            return


def _alike(expected: ExpectedLog, wanted: Log, log: Log) -> bool:
    return (
        len(wanted.topics) == len(log.topics)
        and all(
            not checked or one == other
            for checked, one, other in zip(expected.topics, wanted.topics, log.topics, strict=False)
        )
        and (not expected.data or wanted.data == log.data)
        and (expected.emitter is None or expected.emitter == log.address)
    )


def returned(script: Script, caller: Computation, message: Message, made: Computation) -> None:
    """A call is over: does it do what was expected of it?"""
    depth = caller.msg.depth
    expected = script.expected_revert
    if expected is not None:
        if made.fault is not None and expected.seen is None:
            expected.seen = message.storage_address
        if depth <= expected.depth:
            script.expected_revert = None
            _check_revert(expected, made)
            return
    logs = [one for one in script.expected_logs if one.depth == depth and one.wanted is not None]
    if logs and made.fault is None:
        script.expected_logs = [one for one in script.expected_logs if one not in logs]
        if not all(one.found for one in logs):
            _fails(made, "log != expected log")


def _check_revert(expected: ExpectedRevert, made: Computation) -> None:
    if made.fault is None:
        _fails(made, "next call did not revert as expected")
        return
    if expected.reverter is not None and expected.reverter != expected.seen:
        by = to_checksum_address(expected.seen or bytes(20))
        _fails(
            made, f"Reverter != expected reverter: {by} != {to_checksum_address(expected.reverter)}"
        )
        return
    wanted, had = expected.data, made.output
    if wanted is not None:
        if expected.partial:
            had = had[: len(wanted)]
        if had != wanted and _reason(had) != wanted:
            _fails(made, f"Error != expected error: {_shown(had)} != {_shown(wanted)}")
            return
    made.fault = None
    made.output = _DUMMY


def _reason(data: bytes) -> bytes | None:
    """Of `Error(string)`, the text; forge takes the text alone for the whole, too."""
    if data[:4] in (_ERROR, _CHEAT_ERROR):
        try:
            return bytes(decode(["string"], data[4:])[0], "utf-8")
        except (DecodingError, UnicodeDecodeError):
            return None
    return None


def _shown(data: bytes) -> str:
    reason = _reason(data)
    if reason is not None:
        return reason.decode(errors="replace")
    text = data.decode(errors="replace")
    return text if data and text.isprintable() else f"0x{data.hex()}"


def _fails(made: Computation, message: str) -> None:
    made.fault = Revert()
    made.output = failed(message)[1]
