"""Transactions from their real accounts, one after the other."""

from __future__ import annotations

from msgspec.structs import replace

from stoker.chains.evm.job import Replay, Replayed, ReplayJob
from stoker.chains.evm.pyevm.chain import Chain
from stoker.chains.evm.pyevm.computation import frame_of
from stoker.chains.evm.pyevm.faults import words
from stoker.chains.evm.pyevm.source import Source
from stoker.chains.evm.pyevm.transaction import Invalid, Receipt, transact
from stoker.chains.evm.pyevm.world import World


def replay(job: ReplayJob, source: Source) -> Replay:
    world = World(job.chains, source, following=True)
    for chain_id, chain in world.chains.items():
        here = [one for one in job.transactions if one.chain_id == chain_id]
        ends = [end for one in here for end in (one.from_, one.to or one.contract) if end]
        source.want(chain.pin, ends)
    done: list[Replayed] = []
    error = None
    for at, captured in enumerate(job.transactions):
        world.select(world.chains[captured.chain_id])
        chain = world.chain
        world.gas_price = chain.block.base_fee
        limit = min(captured.gas or chain.block.gas_limit, job.limits.gas)
        try:
            receipt = transact(
                world,
                sender=captured.from_,
                to=captured.to,
                value=captured.value,
                data=captured.data,
                gas=limit,
                nonce=captured.nonce,
                relayed=job.relayed,
            )
        except Invalid as why:
            error = f"transaction {at} cannot be sent: {why}"
            done.append(Replayed.unsent(captured, limit, str(why)))
            break
        done.append(_replayed(world, chain, receipt))
        world.logs.clear()
        if done[-1].error is not None:
            error = f"transaction {at} failed: {done[-1].error}"
            break
    return Replay(
        transactions=tuple(done),
        deltas={chain_id: chain.delta() for chain_id, chain in world.chains.items() if chain.base},
        accesses={
            chain_id: chain.access() for chain_id, chain in world.chains.items() if chain.base
        },
        error=error,
    )


def _replayed(world: World, chain: Chain, receipt: Receipt) -> Replayed:
    made = receipt.made
    succeeded = made.fault is None
    storage: dict[bytes, dict[int, tuple[int, int]]] = {}
    for (address, slot), before in chain.originals.items():
        after = chain.storage.get(address, {}).get(slot, before)
        if address in chain.destroyed and succeeded:
            after = 0
        if after != before:
            storage.setdefault(address, {})[slot] = (before, after)
    creates = made.msg.creates
    return Replayed(
        succeeded=succeeded,
        gas_used=receipt.gas_used,
        output=made.output,
        logs=tuple(world.logs),
        # As geth tells the outermost call: gas of the whole transaction.
        frame=replace(frame_of(made), gas=receipt.gas, gas_used=receipt.gas_used),
        created=made.msg.storage_address if creates and succeeded else None,
        error=words(made.fault) if made.fault is not None else None,
        storage=storage,
    )
