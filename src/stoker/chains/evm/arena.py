"""What forge tells of a script it has run: its arenas of calls, and its file of transactions."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Several

from msgspec import Struct

from stoker.chains.broadcast.artefact import Sequence, Transaction
from stoker.chains.evm.frame import CallType, Frame, Log, logs_of, walk
from stoker.chains.evm.job import Capture, Captured, Outcome
from stoker.chains.hexadecimal import data, quantity


class _RawLog(Struct):
    topics: list[str]
    data: str


class _ToldLog(Struct):
    address: str
    raw_log: _RawLog
    position: int = 0


class _Call(Struct):
    success: bool
    caller: str
    address: str
    kind: CallType
    value: str
    data: str
    output: str
    gas_used: int
    gas_limit: int
    status: str | None = None


class _Node(Struct):
    children: list[int]
    trace: _Call
    logs: list[_ToldLog]


class _Arena(Struct):
    arena: list[_Node]


class Told(Struct):
    """A line of `forge script --json`."""

    success: bool
    logs: list[str]
    traces: list[tuple[str, _Arena | list[_Node]]]
    returned: str = "0x"


def read_capture(told: Told, sequences: Several[Sequence], error: str | None) -> Capture:
    """`error`: why the script failed."""
    frames = [_frame(_nodes(arena)) for _, arena in told.traces]
    captured = (_captured(each) for one in sequences for each in one.transactions)
    matched = list(_matched(frames, captured))
    return Capture(
        transactions=tuple(one for one, _ in matched),
        console=tuple(told.logs),
        frame=frames[-1],
        error=error,
        returned=data(told.returned) if error is None else b"",
        outcomes=tuple(
            Outcome(succeeded=frame.error is None, output=frame.output, logs=logs_of(frame))
            for _, frame in matched
        ),
    )


def _matched(
    frames: Several[Frame], waiting: Iterator[Captured]
) -> Iterator[tuple[Captured, Frame]]:
    """Each transaction with the call that it was; both are told in the order in which they were
    made."""
    wanted = next(waiting, None)
    for one in (one for frame in frames for one in walk(frame)):
        if wanted is not None and _is(one, wanted):
            yield wanted, one
            wanted = next(waiting, None)


def _is(frame: Frame, captured: Captured) -> bool:
    if captured.kind == "CREATE":
        return frame.type == "CREATE" and frame.input == captured.data
    if frame.type == "CREATE2" and captured.kind == "CREATE2":  # told as it stands in the script
        return frame.input == captured.data[32:]
    return (frame.to, frame.value, frame.input) == (captured.to, captured.value, captured.data)


def _captured(one: Transaction) -> Captured:
    sent = one.transaction
    made = one.transaction_type != "CALL"
    return Captured(
        chain_id=quantity(sent.chain_id),
        from_=data(sent.from_, 20),
        to=None if sent.to is None else data(sent.to, 20),
        value=quantity(sent.value),
        data=data(sent.input),
        nonce=quantity(sent.nonce),
        kind=one.transaction_type,
        contract=data(one.contract_address) if made and one.contract_address else None,
        gas=quantity(sent.gas) if one.is_fixed_gas_limit and sent.gas else None,
    )


def _nodes(arena: _Arena | list[_Node]) -> list[_Node]:
    return arena.arena if isinstance(arena, _Arena) else arena


def _frame(nodes: list[_Node]) -> Frame:
    """Of the first. Not by recursion: calls may be a thousand deep."""
    found = [(0, 0)]
    for at, depth in found:
        found.extend((child, depth + 1) for child in nodes[at].children)
    made: dict[int, Frame] = {}
    for at, depth in reversed(found):
        call = nodes[at].trace
        made[at] = Frame(
            type=call.kind,
            from_=data(call.caller, 20),
            to=data(call.address, 20),
            value=quantity(call.value),
            gas=call.gas_limit,
            gas_used=call.gas_used,
            input=data(call.data),
            output=data(call.output),
            error=None if call.success else _why(call.status),
            logs=tuple(map(_log, nodes[at].logs)),
            calls=tuple(made[child] for child in nodes[at].children),
            depth=depth,
        )
    return made[0]


def _why(status: str | None) -> str:
    return {None: "execution reverted", "Revert": "execution reverted"}.get(status, str(status))


def _log(told: _ToldLog) -> Log:
    topics = tuple(data(one, 32) for one in told.raw_log.topics)
    return Log(data(told.address, 20), topics, data(told.raw_log.data), told.position)
