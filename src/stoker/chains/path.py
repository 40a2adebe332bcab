"""The path of one group: from what it is to do to transactions that are the plan's."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from stoker.chains.errors import MENDABLE, AuditFailed, ScriptRefused, ScriptReverted
from stoker.chains.evm.job import Replay
from stoker.chains.log import log
from stoker.chains.node import GroupNode
from stoker.chains.solidity.compilation import Compilation
from stoker.chains.state.commits import Committed
from stoker.together import both

if TYPE_CHECKING:
    from stoker.chains.scripting.app import ScriptApp

Settled = Callable[[Collection[int]], Awaitable[Collection[int]]]


class Outcome(Struct, frozen=True, kw_only=True):
    """A group that is done."""

    committed: Committed
    reruns: int = 0
    """How often it had to follow others that it had conflicted with."""
    lost: float = 0.0
    """Seconds that this took."""
    mended: bool = False


async def carry_out(
    node: GroupNode,
    *,
    file: str,
    mending: ScriptApp | None,
    settled: Settled,
) -> Outcome:
    """Do what the group says. `file`: of its effects; `settled` returns once the steps of other
    groups are over, with those that are done. Raises `ChainError`; what there was by then is in
    the node's artifacts."""
    text = node.group.script
    if text is None:
        infos = await node.extract()
        text = node.assemble(await node.generate_script(infos))
    try:
        return await _tried(node, text, file, settled)
    except MENDABLE as error:
        log.warning("script fails", group=node.index, stage=type(error).__name__, error=str(error))
        if mending is None:
            raise
        text = await mending.mend(node, text, error)
    return replace(await _tried(node, text, file, settled), mended=True)


async def _tried(
    node: GroupNode,
    text: str,
    file: str,
    settled: Settled,
) -> Outcome:
    """One script, as often as others get in its way."""
    errors = [str(one) for one in node.review_script(text) if one.severity == "error"]
    if errors:
        raise ScriptRefused("; ".join(errors))
    compiled, _ = await both(node.compile_script(text), node.view())
    reruns, began = 0, time.monotonic()
    while True:
        last = time.monotonic()
        came = await node.commit(await verified(node, compiled), file)
        if isinstance(came, Committed):
            return Outcome(committed=came, reruns=reruns, lost=last - began if reruns else 0.0)
        reruns += 1
        log.debug("conflict", group=node.index, after=list(came.groups))
        node.after |= frozenset(await settled(came.groups))


async def verified(node: GroupNode, compiled: Compilation) -> Replay:
    """What is to be committed of a script that passes all checks: it runs, its transactions go
    through as they did then, and what they come to is what the group means, on all its chains.
    Raises one of `MENDABLE`, and what engines and nodes raise."""
    await node.execute_script(compiled)
    if (why := node.failure()) is not None:
        raise ScriptReverted("; ".join((f"the script fails: {why}", *await node.without_code())))
    replayed = await node.build_transactions()
    if findings := node.audit_results():
        kind = AuditFailed if replayed.error is None else ScriptReverted
        raise kind("; ".join(findings))
    return await node.across(replayed)
