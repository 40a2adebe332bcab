"""What came of groups, told from the run that they are steps of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stoker.chains.evm.job import Captured
from stoker.chains.group import (
    Done,
    Failed,
    GroupResult,
    Inner,
    OperationGroup,
    TransactionData,
)
from stoker.chains.plan import group_of
from stoker.engine.lifecycle import STEP_OVER
from stoker.engine.outputs import artefact
from stoker.engine.state import RunState, StepState

if TYPE_CHECKING:
    from stoker.chains.broadcast.describe import Outgoing

_WORDS = {"failed": "failed", "canceled": "was canceled", "skipped": "was skipped"}


def done(
    index: int, group: OperationGroup, transactions: Sequence[TransactionData], code: str
) -> GroupResult:
    """It can be signed."""
    inner = Inner(done=Done(tuple(transactions), code))
    return GroupResult(index, group.description, group.operations, inner)


def failed(
    index: int,
    group: OperationGroup,
    error: str,
    transactions: Sequence[TransactionData] = (),
    code: str = "",
) -> GroupResult:
    """It cannot."""
    inner = Inner(failed=Failed(error, code, tuple(transactions)))
    return GroupResult(index, group.description, group.operations, inner)


def transaction_data(
    transactions: Sequence[Captured], urls: Mapping[int, str]
) -> tuple[TransactionData, ...]:
    """Transactions to sign; `urls`: by chain id, as the settings have them."""
    from stoker.chains.address import checksummed

    return tuple(
        TransactionData(
            from_=checksummed(one.from_),
            to=None if one.to is None else checksummed(one.to),
            value=hex(one.value),
            data=f"0x{one.data.hex()}",
            rpc_url=urls.get(one.chain_id, ""),
        )
        for one in transactions
    )


def results(state: RunState) -> list[GroupResult]:
    """Of all groups that have settled, by their indices."""
    found = (result(state, index) for index in range(len(state.steps)))
    return [one for one in found if one is not None]


def result(state: RunState, index: int) -> GroupResult | None:
    """Of one; None: it is not over, or is no group."""
    step = state.steps[index]
    if step.status not in STEP_OVER or (step.step.step_def or {}).get("type") != "chain":
        return None
    if (kept := output(step, "result")) is not None:
        return msgspec.convert(kept, GroupResult)
    return failed(index, group_of(step.step), _reason(state, index))


def outgoing(step: StepState) -> Outgoing:
    """What a broadcast of a group that is done sends."""
    from stoker.chains.broadcast.describe import Outgoing

    return msgspec.json.decode(Path(step.outputs["outgoing"]).read_bytes(), type=Outgoing)


def output(step: StepState, name: str) -> Any:
    """What a step has put out by that name, whole; None: nothing."""
    value = step.outputs.get(name)
    path = artefact(value)
    return value if path is None else msgspec.json.decode(Path(path).read_bytes())


def _reason(state: RunState, index: int) -> str:
    step = state.steps[index]
    if step.status == "skipped":
        root = _root(state, index)
        if root is not None and root != index:
            other = state.steps[root]
            name = f" ({other.step.name})" if other.step.name else ""
            return (
                f"group {root}{name}, which this one depends on, {_WORDS[other.status]}: "
                f"{other.reason}"
            )
    reason = step.reason or "no reason was given"
    return reason if step.status == "failed" else f"{step.status}: {reason}"


def _root(state: RunState, index: int) -> int | None:
    """The step that a skipped one was skipped for: the first that failed of those it waits for,
    however far away."""
    seen = {index}
    waiting = [index]
    while waiting:
        for other in state.graph.dependencies[waiting.pop()]:
            if other in seen or state.steps[other].satisfied is not False:
                continue
            if state.steps[other].status != "skipped":
                return other
            seen.add(other)
            waiting.append(other)
    return None
