"""What a job will look at, asked for in one go: a node traces its calls before they are run."""

from __future__ import annotations

import asyncio
from itertools import groupby

from eth_hash.auto import keccak

from stoker.chains.evm.job import CaptureJob, Chains, ReplayJob
from stoker.chains.evm.pyevm.addresses import CHEATCODES
from stoker.chains.state.change import Override
from stoker.chains.state.remote import Remote

_ZEROS = bytes.fromhex("6108005ff3")
"""Code that returns 2 KiB of zeros, whatever it is asked."""
_PLENTY = 2**96


async def foresee_capture(remote: Remote, job: CaptureJob) -> None:
    """The script, run by its sender as the sender's own code: its calls come from whom they will be
    broadcast by."""
    home = job.chains.home
    overrides = _changes(job.chains, home)
    overrides[job.sender] = Override(balance=_PLENTY, code=job.script.runtime)
    overrides[CHEATCODES] = Override(code=_ZEROS)
    call = (job.sender, job.sender, 0, keccak(job.signature.encode())[:4])
    await remote.prefetch(job.chains.pins[home], [call], overrides)


async def foresee_replay(remote: Remote, job: ReplayJob) -> None:
    by_chain = sorted(job.transactions, key=lambda one: one.chain_id)
    await asyncio.gather(
        *(
            remote.prefetch(
                job.chains.pins[chain_id],
                [(one.from_, one.to, one.value, one.data) for one in transactions],
                _changes(job.chains, chain_id),
            )
            for chain_id, transactions in groupby(by_chain, key=lambda one: one.chain_id)
        )
    )


def _changes(chains: Chains, chain_id: int) -> dict[bytes, Override]:
    """What groups before have done, for the node to know of."""
    delta = chains.deltas.get(chain_id)
    return {
        address: Override(code=change.code, storage=change.storage)
        for address, change in (delta.accounts if delta is not None else {}).items()
        if change.code is not None or change.storage
    }
