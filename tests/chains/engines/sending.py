"""Transactions as a script captures them, for engines to replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nodes import WALLET, Node

from stoker.chains.evm.job import Captured, Chains, Pin, ReplayJob
from stoker.chains.hexadecimal import data
from stoker.chains.rpc import Rpc
from stoker.chains.rpc_wire import RpcLimits
from stoker.chains.state.remote import Remote


def remote_of(nodes: dict[int, Node], limits: RpcLimits | None = None) -> Remote:
    wait = limits or RpcLimits()
    return Remote([Rpc(f"chain{one}", one, node.url, wait) for one, node in nodes.items()])


async def pins_of(remote: Remote, nodes: dict[int, Node]) -> dict[int, Pin]:
    return {chain_id: await remote.pin(chain_id) for chain_id in nodes}


def captured(
    chain_id: int, nonce: int, to: str | None, payload: bytes = b"", **more: Any
) -> Captured:
    return Captured(
        chain_id=chain_id,
        from_=data(more.pop("sender", WALLET)),
        to=None if to is None else data(to),
        value=more.pop("value", 0),
        data=payload,
        nonce=nonce,
        kind="CREATE" if to is None else "CALL",
        **more,
    )


def job(pins: dict[int, Pin], transactions: Sequence[Captured], **more: Any) -> ReplayJob:
    chains = Chains(home=next(iter(pins)), pins=pins, deltas=more.pop("deltas", {}))
    return ReplayJob(transactions=tuple(transactions), chains=chains, **more)
