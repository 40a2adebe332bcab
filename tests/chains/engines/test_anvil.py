"""Replay on anvil tells what the chains' nodes then do."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from deploy import USDC, WEI, start_kept
from nodes import OTHER_WALLET, WALLET, calldata, program
from sending import captured, job, pins_of, remote_of

from stoker.chains.errors import ChainError, LimitReached, RpcError
from stoker.chains.evm.anvil import AnvilEngine
from stoker.chains.evm.job import Limits
from stoker.chains.hexadecimal import data, text
from stoker.chains.rpc_wire import RpcLimits
from stoker.chains.state.change import AccountChange, Delta


@pytest.fixture
def within(nodes):
    """Run a scenario with an engine, and pins of the chains as they are."""

    def run(scenario):
        async def main():
            remote = remote_of(nodes)
            engine = AnvilEngine(remote, str(program("anvil")))
            try:
                return await scenario(engine, await pins_of(remote, nodes))
            finally:
                await engine.close()
                await remote.close()

        return asyncio.run(main())

    return run


def children(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _operations(world):
    """A call each of: receive hooks, refunds of gas, creations, delegated calls, logs of many."""
    path = [world["WETH"], world["USDC"]]
    router, weth = world["UniswapV2Router02"], world["WETH"]
    swap = "swapExactETHForTokens(uint256,address[],address,uint256)"
    single = "(address,address,uint24,address,uint256,uint256,uint256,uint160)"
    exact = calldata(f"exactInputSingle({single})", (*path, 3000, WALLET, 2**40, WEI, 0, 0))
    move = calldata("transferFrom(address,address,uint256)", WALLET, OTHER_WALLET, 1)
    return [
        (weth, calldata("approve(address,uint256)", router, 5 * WEI), 0),
        (router, calldata(swap, 0, path, WALLET, 2**40), WEI),
        (world["SwapRouter"], exact, WEI),
        (weth, calldata("approve(address,uint256)", router, 0), 0),
        (weth, calldata("withdraw(uint256)", 2 * WEI), 0),
        (world["RegisterProxy"], calldata("register(uint256)", 9), 3),
        (world["Collectible"], move, 0),
        (OTHER_WALLET, b"", WEI),
        (None, bytes.fromhex("600a600c600039600a6000f3602a60005260206000f3"), 0),
    ]


@pytest.mark.parametrize("chain_id", [1, 10])
def test_what_is_replayed_is_what_then_happens(within, changing, worlds, chain_id):
    node, world = changing[chain_id], worlds[chain_id]
    sent = [
        captured(chain_id, nonce, to, payload, value=value, gas=3_000_000)
        for nonce, (to, payload, value) in enumerate(_operations(world))
    ]
    replay = within(lambda engine, pins: engine.replay(job(pins, sent)))
    assert replay.error is None
    now = int(node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    paid = 0
    for one, told in zip(sent, replay.transactions, strict=True):
        node.rpc("evm_setNextBlockTimestamp", now + 12)
        receipt = node.rpc(
            "eth_sendTransactionSync",
            {
                "from": WALLET,
                "value": hex(one.value),
                "data": text(one.data),
                "gas": hex(3_000_000),
            }
            | ({} if one.to is None else {"to": text(one.to)}),
        )
        assert told.succeeded
        assert told.gas_used == int(receipt["gasUsed"], 16)
        assert [(log.address, log.topics, log.data) for log in told.logs] == [
            (data(log["address"]), tuple(map(data, log["topics"])), data(log["data"]))
            for log in receipt["logs"]
        ]
        assert told.created == (data(receipt["contractAddress"]) if one.to is None else None)
        paid += told.gas_used * int(receipt["effectiveGasPrice"], 16)
    changes = replay.deltas[chain_id].accounts
    wallet = changes[data(WALLET)]
    assert wallet.nonce == len(sent)
    assert node.balance(WALLET) == 10_000 * WEI + wallet.balance - paid
    for address, change in changes.items():
        for slot, value in change.storage.items():
            there = node.rpc("eth_getStorageAt", text(address), hex(slot), "latest")
            assert int(there, 16) == value
        if change.code is not None:
            assert node.rpc("eth_getCode", text(address), "latest") == text(change.code)
    assert replay.deltas.keys() == {chain_id}


def test_nothing_is_dealt_and_the_rest_is_not_tried(within, worlds):
    sent = [
        captured(1, 0, OTHER_WALLET, value=WEI),
        captured(1, 1, OTHER_WALLET, value=10_000 * WEI),
        captured(1, 2, OTHER_WALLET),
    ]
    replay = within(lambda engine, pins: engine.replay(job(pins, sent)))
    assert len(replay.transactions) == 2
    assert "transaction 1 cannot be sent" in replay.error
    assert "does not have" in replay.error
    assert data(WALLET) in replay.accesses[1].balances
    assert replay.accesses[1].spent[data(WALLET)] == WEI


def test_a_revert_says_why_and_changes_nothing_but_the_nonce(within, worlds):
    world = worlds[1]
    sent = [captured(1, 0, world["RegisterProxy"], calldata("register(uint256)", 1001), value=1)]
    replay = within(lambda engine, pins: engine.replay(job(pins, sent)))
    (one,) = replay.transactions
    assert not one.succeeded
    assert one.output[:4] == calldata("TooLarge(uint256,uint256)", 1001, 1000)[:4]
    assert one.error == "execution reverted"
    assert [frame.type for frame in one.frame.calls] == ["DELEGATECALL"]
    assert replay.deltas[1].accounts == {data(WALLET): AccountChange(nonce=1)}
    assert replay.error == "transaction 0 failed: execution reverted"


def test_wrong_nonces_and_contracts_send_nothing_but_where_it_is_relayed(within, worlds):
    weth = worlds[1]["WETH"]
    later = [captured(1, 7, OTHER_WALLET)]
    replay = within(lambda engine, pins: engine.replay(job(pins, later)))
    assert "nonce is 7, and the next of" in replay.error
    contract = [captured(1, 1, OTHER_WALLET, sender=weth)]
    replay = within(lambda engine, pins: engine.replay(job(pins, contract)))
    assert "EIP-3607" in replay.error
    replay = within(lambda engine, pins: engine.replay(job(pins, contract, relayed=True)))
    assert replay.error is None


def test_what_groups_before_have_done_is_there_and_told_apart(within, worlds):
    world = worlds[1]
    stranger = "0x" + "5a" * 20
    # OpenZeppelin's balances are the first mapping
    from eth_utils import keccak

    slot = int.from_bytes(keccak(bytes.fromhex(stranger[2:]).rjust(32, b"\0") + bytes(32)))
    before = Delta(
        {
            data(stranger): AccountChange(balance=3, nonce=4),
            data(world["USDC"]): AccountChange(storage={slot: 77}),
            data(world["Vault"]): AccountChange(cleared=True),
        }
    )
    sent = [
        captured(
            1,
            4,
            world["USDC"],
            calldata("transfer(address,uint256)", OTHER_WALLET, 77),
            sender=stranger,
        ),
        captured(1, 5, WALLET, sender=stranger, value=3),
        captured(1, 6, world["Vault"], calldata("asset()"), sender=stranger),
    ]
    replay = within(lambda engine, pins: engine.replay(job(pins, sent, deltas={1: before})))
    assert replay.error is None
    assert [one.output for one in replay.transactions] == [(1).to_bytes(32), b"", b""]
    changes = replay.deltas[1].accounts
    assert changes[data(stranger)] == AccountChange(balance=-3, nonce=3)
    assert changes[data(world["USDC"])].storage[slot] == 0
    assert replay.transactions[0].storage[data(world["USDC"])][slot] == (77, 0)
    assert slot in replay.accesses[1].slots[data(world["USDC"])]


def test_jobs_share_a_node_and_nothing_else(within, worlds):
    payload = calldata("transfer(address,uint256)", OTHER_WALLET, USDC)
    sent = [captured(1, 0, worlds[1]["USDC"], payload)]

    async def scenario(engine, pins):
        many = await asyncio.gather(*(engine.replay(job(pins, sent)) for _ in range(20)))
        nodes = {await engine.node(pin) for pin in (pins[1], pins[1])}
        return many, len(nodes)

    many, nodes = within(scenario)
    assert nodes == 1
    assert len({str(one.deltas) for one in many}) == 1
    assert all(one.error is None for one in many)


def test_a_node_that_died_is_started_again(within, worlds):
    sent = [captured(1, 0, OTHER_WALLET)]

    async def scenario(engine, pins):
        await engine.replay(job(pins, sent))
        node = await engine.node(pins[1])
        (running,) = children(node._program._process.pid)
        os.kill(running, signal.SIGKILL)
        await node._drain
        assert (await engine.replay(job(pins, sent))).error is None
        assert await engine.node(pins[1]) is not node

    within(scenario)


def test_what_takes_too_long_is_ended_with_its_node(within, worlds):
    # for (;;) {}, with all the gas there is
    loops = captured(1, 0, None, bytes.fromhex("5b600056"))

    async def scenario(engine, pins):
        await engine.node(pins[1])
        with pytest.raises(LimitReached, match=r"anvil took more than 0\.001 s"):
            await engine.replay(job(pins, [loops], limits=Limits(seconds=0.001)))
        (one,) = (await engine.replay(job(pins, [loops]))).transactions
        return one

    one = within(scenario)
    assert one.error == "out of gas"
    assert one.gas_used == 30_000_000


def test_a_chain_that_is_down_is_one_clear_error(kept):
    async def scenario():
        own = start_kept(kept, 1)
        remote = remote_of({1: own}, RpcLimits(attempts=1))
        engine = AnvilEngine(remote, str(program("anvil")))
        try:
            pins = await pins_of(remote, {1: own})
            own.stop()
            await engine.replay(job(pins, [captured(1, 0, OTHER_WALLET)]))
        finally:
            await engine.close()
            await remote.close()

    with pytest.raises(RpcError, match="chain1"):
        asyncio.run(scenario())


def test_of_nodes_that_are_not_kept_nothing_is_left(within, monkeypatch):
    monkeypatch.setattr("stoker.chains.evm.anvil._NODES", 1)

    async def scenario(engine, pins):
        folder = Path(engine._server._folder.name)
        for chain_id, pin in pins.items():
            await engine.replay(job({chain_id: pin}, [captured(chain_id, 0, OTHER_WALLET)]))
        return len(list(folder.iterdir())), len(engine._nodes)

    assert within(scenario) == (1, 1)


def test_no_node_outlives_its_owner(nodes, tmp_path):
    script = tmp_path / "owner.py"
    script.write_text(
        "import asyncio, os, signal, sys\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "from nodes import program\n"
        "from stoker.chains.evm.anvil import Anvil\n"
        "async def main():\n"
        f"    node = await Anvil.start(str(program('anvil')), 1, {nodes[1].url!r})\n"
        "    guard = node._program._process.pid\n"
        "    (pid,) = open(f'/proc/{guard}/task/{guard}/children').read().split()\n"
        "    print(pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    try:
        watch = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    assert select.select([watch], [], [], 30)[0], "anvil goes on without its owner"
    os.close(watch)


def test_where_there_is_no_anvil_it_says_so(tmp_path):
    with pytest.raises(ChainError, match="nowhere/anvil is no program"):
        AnvilEngine(remote_of({}), str(tmp_path / "nowhere/anvil"))
