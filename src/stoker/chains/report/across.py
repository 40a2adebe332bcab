"""What a group does on several chains at once: bridges, and what it asserts of all of them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from stoker.chains.errors import AuditFailed
from stoker.chains.evm.job import Capture, Chains, Limits, Replay, Replaying
from stoker.chains.group import OperationGroup
from stoker.chains.report.assertions import check_assertions
from stoker.chains.report.audit import changes
from stoker.chains.report.bridge import relay
from stoker.chains.report.registry import Registry
from stoker.chains.state.change import Access, Delta
from stoker.chains.state.conflict import joined
from stoker.chains.state.overlay import extended
from stoker.chains.state.sight import Sight


async def across(
    group: OperationGroup,
    registry: Registry,
    captured: Capture,
    replayed: Replay,
    chains: Chains,
    sight: Callable[[Chains], Sight],
    engine: Replaying,
    limits: Limits,
) -> tuple[Replay, tuple[str, ...]]:
    """The replay with what bridges made of it, and the evidence that all is as it should be.
    `chains`: before the group. Raises `AuditFailed`, and what engines and nodes raise."""
    evidence: tuple[str, ...] = ()
    if group.bridges:
        done = extended(chains, replayed.deltas)
        moved = changes(captured, replayed)
        relayed = await relay(group.bridges, moved, done, engine, registry, limits)
        if relayed.problems:
            raise AuditFailed("; ".join(relayed.problems))
        evidence = relayed.evidence
        replayed = _both(replayed, relayed.replay)
    if group.assertions:
        state = sight(extended(chains, replayed.deltas))
        found = await check_assertions(group.assertions, state)
        if broken := [one.message for one in found if not one.holds]:
            raise AuditFailed("; ".join(broken))
        evidence = (*evidence, *(one.message for one in found))
    return replayed, evidence


def _both(first: Replay, second: Replay) -> Replay:
    """What is committed of one after the other."""
    joint = {
        chain_id: joined(
            [
                (one.accesses.get(chain_id, Access()), one.deltas.get(chain_id, Delta()))
                for one in (first, second)
            ]
        )
        for chain_id in {*first.deltas, *first.accesses, *second.deltas, *second.accesses}
    }
    return replace(
        first,
        accesses={chain_id: access for chain_id, (access, _) in joint.items()},
        deltas={chain_id: delta for chain_id, (_, delta) in joint.items()},
    )
