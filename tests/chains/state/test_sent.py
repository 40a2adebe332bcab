"""Groups that ran side by side, and then really sent: a node makes of them what the plan says."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from deploy import start_kept
from nodes import OTHER_WALLET, WALLET, calldata

from stoker.chains.backend import ExecutionBackend
from stoker.chains.evm.job import Captured, ReplayJob
from stoker.chains.evm.pyevm.pool import open_pyevm
from stoker.chains.rpc import Rpc
from stoker.chains.settings import ChainSettings
from stoker.chains.state.change import Delta
from stoker.chains.state.commits import Conflict
from stoker.chains.state.overlay import Overlay
from stoker.chains.state.remote import Remote

ETHER = 10**18
TIP = 10**9


def address(text):
    return bytes.fromhex(text[2:])


def groups_of(world):
    """Of each: what it comes after, who sends, and (to, value, data)."""
    weth, usdc, router = world["WETH"], world["USDC"], world["UniswapV2Router02"]

    def swap(path, to):
        signature = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
        return router, 0, calldata(signature, ETHER, 1, path, to, 2**40)

    approve = calldata("approve(address,uint256)", router, ETHER)
    pay = calldata("transfer(address,uint256)", OTHER_WALLET, 5)
    signature = "swapExactETHForTokens(uint256,address[],address,uint256)"
    buy = calldata(signature, 1, [weth, usdc], OTHER_WALLET, 2**40)
    return [
        ([], WALLET, [(weth, ETHER, calldata("deposit()"))]),
        ([], WALLET, [(usdc, 0, pay)]),
        ([0], WALLET, [(weth, 0, approve), swap([weth, usdc], WALLET)]),
        ([], OTHER_WALLET, [(router, 2 * ETHER, buy)]),
        ([], WALLET, [(OTHER_WALLET, ETHER, b"")]),
        ([4], WALLET, [(usdc, 0, pay), (OTHER_WALLET, ETHER, b"")]),
    ]


async def committed(groups, url, folder):
    """All of them, each as soon as what it comes after is there: their transactions in the order
    of the commits, who had to run again, and the state after all."""
    remote = Remote([Rpc("main", 1, url)])
    backend = ExecutionBackend(remote, {"main": ChainSettings(id=1, rpc=url)})
    done = [asyncio.Event() for _ in groups]
    again = []

    async def group(index, engine):
        after, sender, calls = groups[index]
        for other in after:
            await done[other].wait()
        while True:
            view = await backend.view(home=1, chains=[], after=after)
            overlay = Overlay(remote, view.pins[1], view.deltas.get(1, Delta()))
            (account,) = await overlay.accounts([address(sender)])
            sent = [
                Captured(
                    chain_id=1,
                    from_=address(sender),
                    to=address(to),
                    value=value,
                    data=data,
                    nonce=account.nonce + at,
                    kind="CALL",
                )
                for at, (to, value, data) in enumerate(calls)
            ]
            replay = await engine.replay(ReplayJob(transactions=tuple(sent), chains=view))
            assert replay.error is None
            came = await backend.commit(
                index,
                after=after,
                view=view,
                transactions=sent,
                replay=replay,
                file=str(folder / str(index)),
            )
            if not isinstance(came, Conflict):
                break
            again.append(index)
            after = [*after, *came.groups]
        done[index].set()

    async with open_pyevm(remote, workers=2) as engine, asyncio.TaskGroup() as tasks:
        for index in range(len(groups)):
            tasks.create_task(group(index, engine))
    view = await backend.view(home=1, chains=[], after=range(len(groups)))
    overlay = Overlay(remote, view.pins[1], view.deltas[1])
    accounts = await overlay.accounts(list(view.deltas[1].accounts))
    await remote.close()
    order = [one for state in backend._commits for one in state.transactions]
    return order, again, view, dict(zip(view.deltas[1].accounts, accounts, strict=True))


def test_a_node_makes_of_the_transactions_what_the_plan_says(kept, worlds, tmp_path):
    node = start_kept(kept, 1, "--no-mining", "--order", "fifo")
    try:
        groups = groups_of(worlds[1])
        order, again, view, accounts = asyncio.run(committed(groups, node.url, tmp_path))
        # both swap in the same pool, and move the same token of the same wallets
        assert {2, 3} & set(again)
        assert not {0, 4} & set(again)
        pin = view.pins[1]
        for one in order:
            told = {
                "from": f"0x{one.from_.hex()}",
                "to": f"0x{one.to.hex()}",
                "value": hex(one.value),
                "data": f"0x{one.data.hex()}",
                "nonce": hex(one.nonce),
                "gas": hex(500_000),
                "maxFeePerGas": hex(100 * TIP),
                "maxPriorityFeePerGas": hex(TIP),
            }
            node.rpc("eth_sendTransaction", told)
        node.rpc("evm_setNextBlockTimestamp", hex(pin.timestamp + 12))
        node.rpc("anvil_mine", "0x1")
        block = node.rpc("eth_getBlockByNumber", "latest", True)
        assert len(block["transactions"]) == len(order) == 8
        for one in block["transactions"]:
            assert node.rpc("eth_getTransactionReceipt", one["hash"])["status"] == "0x1"
        slots = 0
        for who, change in view.deltas[1].accounts.items():
            name = f"0x{who.hex()}"
            for slot, value in change.storage.items():
                assert int(node.rpc("eth_getStorageAt", name, hex(slot), "latest"), 16) == value
                slots += 1
            nonce = int(node.rpc("eth_getTransactionCount", name, "latest"), 16)
            assert accounts[who].nonce == nonce
            if accounts[who].code:  # the others have paid for gas, or have it
                balance = int(node.rpc("eth_getBalance", name, "latest"), 16)
                assert accounts[who].balance == balance
        assert slots >= 8
    finally:
        node.stop()
