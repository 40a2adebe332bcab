"""A call that nobody sends, to read what contracts tell."""

from __future__ import annotations

from stoker.chains.evm.pyevm.calls import code_at, execute
from stoker.chains.evm.pyevm.chain import Source
from stoker.chains.evm.pyevm.computation import Message
from stoker.chains.evm.pyevm.faults import words
from stoker.chains.evm.pyevm.wire import Called, CallJob
from stoker.chains.evm.pyevm.world import World


def call(job: CallJob, source: Source) -> Called:
    world = World(job.chains, source, following=True)
    world.select(world.chains[job.chain_id])
    world.begin(job.sender, (job.to,))
    if job.value > world.get_balance(job.sender):
        world.set_balance(job.sender, job.value)
    code, delegate = code_at(world, job.to)
    made = execute(
        world,
        Message(
            kind="CALL",
            sender=job.sender,
            address=job.to,
            code_address=delegate or job.to,
            value=job.value,
            data=job.data,
            code=code,
            gas=job.limits.gas,
            depth=0,
            delegated=delegate is not None,
        ),
    )
    failed = made.fault
    return Called(failed is None, made.output, words(failed) if failed is not None else None)
