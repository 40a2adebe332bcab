"""Both sides of a bridge on real chains, by the real engine."""

from __future__ import annotations

import asyncio
from typing import Any

from deploy import DEPLOYERS, USDC, World
from nodes import ALIASES, WALLET, Node, calldata

from stoker.chains.address import parsed
from stoker.chains.evm.job import Captured, Chains, Replay, ReplayJob
from stoker.chains.evm.pyevm.pool import open_pyevm
from stoker.chains.group import Amount, Bridge
from stoker.chains.report.bridge import Relayed, relay
from stoker.chains.report.changes import Ledger
from stoker.chains.report.registry import Registry
from stoker.chains.rpc import Rpc
from stoker.chains.state.overlay import extended
from stoker.chains.state.remote import Remote

LOCKBOX = "0x00000000000000000000000000000000000aBCD2"
RECIPIENT = "0x00000000000000000000000000000000000aBcd1"


def bridged(
    nodes: dict[int, Node], worlds: dict[int, World], **more: Any
) -> tuple[Relayed, Replay, Chains]:
    """A thousand USDC go to the lockbox on chain 1; `more`: how they come out on chain 10."""
    amount = 1_000 * USDC
    given = {
        "locked": Amount(1, amount, worlds[1]["USDC"]),
        "lockbox": LOCKBOX,
        "minted": Amount(10, amount, worlds[10]["USDC"]),
        "recipient": RECIPIENT,
        **more,
    }
    bridge = Bridge(**given)
    send = Captured(
        chain_id=1,
        from_=parsed(WALLET),
        to=parsed(worlds[1]["USDC"]),
        value=0,
        data=calldata("transfer(address,uint256)", bridge.lockbox, amount),
        nonce=0,
        kind="CALL",
    )

    async def go() -> tuple[Relayed, Replay, Chains]:
        remote = Remote([Rpc(ALIASES[one], one, node.url) for one, node in nodes.items()])
        async with open_pyevm(remote, workers=1) as engine:
            chains = Chains(home=1, pins={one: await remote.pin(one) for one in nodes})
            done = await engine.replay(ReplayJob(transactions=(send,), chains=chains))
            assert done.error is None and done.transactions[0].succeeded, done
            ledger = Ledger()
            ledger.add(1, done.transactions[0].frame)
            after = extended(chains, done.deltas)
            found = await relay([bridge], ledger.changes(), after, engine, Registry())
            seen = extended(after, found.replay.deltas)
            read = Captured(
                chain_id=10,
                from_=parsed(WALLET),
                to=parsed(worlds[10]["USDC"]),
                value=0,
                data=calldata("balanceOf(address)", RECIPIENT),
                nonce=0,
                kind="CALL",
            )
            job = ReplayJob(transactions=(read,), chains=seen, relayed=True)
            told = await engine.replay(job)
        await remote.close()
        return found, told, chains

    return asyncio.run(go())


def balance(told: Replay) -> int:
    return int.from_bytes(told.transactions[0].output)


def test_the_owner_of_the_token_mints_on_the_other_chain(nodes, worlds) -> None:
    found, told, _ = bridged(nodes, worlds, minter=DEPLOYERS[10])
    assert found.problems == () and balance(told) == 1_000 * USDC
    minter = found.replay.deltas[10].accounts.get(parsed(DEPLOYERS[10]))
    assert minter is None or (minter.nonce, minter.balance) == (0, 0)


def test_who_may_not_mint_does_not(nodes, worlds) -> None:
    found, told, _ = bridged(nodes, worlds, minter=WALLET)
    (problem,) = found.problems
    assert "fails: OwnableUnauthorizedAccount(account: 0x" in problem
    assert balance(told) == 0


def test_a_contract_without_coin_pays_out_as_the_lockbox_of_that_chain(nodes, worlds) -> None:
    """The pair of Uniswap holds the token on chain 10."""
    box = worlds[10]["V2 USDC/WETH"]
    assert nodes[10].balance(box) == 0 and len(nodes[10].rpc("eth_getCode", box, "latest")) > 2
    found, told, _ = bridged(nodes, worlds, lockbox=box)
    assert found.problems == () and balance(told) == 1_000 * USDC


def test_a_lockbox_that_has_nothing_pays_nothing(nodes, worlds) -> None:
    found, told, _ = bridged(nodes, worlds)
    (problem,) = found.problems
    assert "fails: ERC20InsufficientBalance(sender: 0x" in problem and balance(told) == 0
