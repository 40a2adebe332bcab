"""The other side of a bridge."""

import asyncio
from collections.abc import Callable

from msgspec import structs

from stoker.chains.evm.frame import Frame
from stoker.chains.evm.job import Replay, ReplayJob
from stoker.chains.group import Amount, Bridge
from stoker.chains.report.bridge import Relayed, relay
from stoker.chains.report.changes import Ledger
from stoker.chains.report.registry import Registry
from stoker.chains.report.values import address_text
from stoker.chains.state.change import AccountChange, Delta
from tests.chains.report.frames import (
    CHAINS,
    NOBODY,
    OTHER,
    ROUTER,
    SENDER,
    TOKEN,
    call,
    calldata,
    replayed,
    transfer,
)

MINTER = bytes([0xB1]) * 20
BRIDGE = Bridge(
    locked=Amount(1, 100),
    lockbox=address_text(ROUTER),
    minted=Amount(10, 99, address_text(TOKEN)),
    recipient=address_text(OTHER),
    minter=address_text(MINTER),
)


class Scripted:
    """An engine whose transactions do what the test says."""

    def __init__(self, answer: Callable[[bytes], Frame]) -> None:
        self._answer = answer
        self.jobs: list[ReplayJob] = []

    async def replay(self, job: ReplayJob) -> Replay:
        self.jobs.append(job)
        frames = [self._answer(one.data) for one in job.transactions]
        senders = {one.from_: AccountChange(nonce=1) for one in job.transactions}
        return Replay(
            transactions=tuple(replayed(one) for one in frames),
            deltas={10: Delta({**senders, TOKEN: AccountChange(storage={1: 2})})},
            accesses={},
        )


def relayed(bridge: Bridge, engine: Scripted, *, locked: int = 100) -> Relayed:
    ledger = Ledger()
    ledger.add(1, call(ROUTER, value=locked))
    return asyncio.run(relay([bridge], ledger.changes(), CHAINS, engine, Registry()))


def minting(amount: int) -> Scripted:
    return Scripted(lambda data: call(TOKEN, data, logs=(transfer(TOKEN, NOBODY, OTHER, amount),)))


def test_what_was_locked_is_minted_by_the_minter() -> None:
    engine = minting(99)
    found = relayed(BRIDGE, engine)
    assert found.problems == () and "bridged: 100 wei of chain 1" in found.evidence[0]
    (job,) = engine.jobs
    (made,) = job.transactions
    assert job.relayed and (made.chain_id, made.from_, made.to) == (10, MINTER, TOKEN)
    assert made.data == calldata("mint(address,uint256)", "0x" + OTHER.hex(), 99)
    accounts = found.replay.deltas[10].accounts
    assert accounts[MINTER].nonce == 0, "nobody sent anything from the minter"
    assert accounts[TOKEN].storage == {1: 2}


def test_too_little_in_the_lockbox_mints_nothing() -> None:
    engine = minting(99)
    found = relayed(BRIDGE, engine, locked=60)
    (problem,) = found.problems
    assert problem.endswith("was to get 100 wei, and got 60")
    assert engine.jobs == [] and found.replay.deltas == {}


def test_a_mint_that_reverts_fails_the_group() -> None:
    why = calldata("Error(string)", "not a minter")
    found = relayed(BRIDGE, Scripted(lambda _: call(TOKEN, output=why, error="execution reverted")))
    (problem,) = found.problems
    assert problem.endswith("fails: not a minter")


def test_a_mint_that_gives_another_amount_fails_the_group() -> None:
    (problem,) = relayed(BRIDGE, minting(98)).problems
    assert "was to get 99" in problem and problem.endswith("got 98")


def test_without_a_minter_the_lockbox_of_that_chain_pays_out() -> None:
    engine = Scripted(lambda data: call(TOKEN, data, logs=(transfer(TOKEN, ROUTER, OTHER, 99),)))
    found = relayed(structs.replace(BRIDGE, minter=None), engine)
    assert found.problems == ()
    (made,) = engine.jobs[0].transactions
    assert made.from_ == ROUTER
    assert made.data == calldata("transfer(address,uint256)", "0x" + OTHER.hex(), 99)


def test_coin_is_credited() -> None:
    engine = minting(0)
    found = relayed(structs.replace(BRIDGE, minted=Amount(10, 99)), engine)
    assert found.problems == () and engine.jobs == []
    assert found.replay.deltas == {10: Delta({OTHER: AccountChange(balance=99)})}


def test_two_bridges_do_not_share_what_one_locked() -> None:
    ledger = Ledger()
    ledger.add(1, call(ROUTER, value=150, from_=SENDER))
    found = asyncio.run(relay([BRIDGE, BRIDGE], ledger.changes(), CHAINS, minting(99), Registry()))
    (problem,) = found.problems
    assert problem.endswith("was to get 200 wei, and got 150")
