"""Each transaction is sent once, in order, through RPCs that sign, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from deploy import USDC
from nodes import OTHER_WALLET, WALLET, calldata
from outbox import SCRIPT, broadcaster, group_of, write_settings
from sending import captured, job, pins_of

from stoker.api import open_engine
from stoker.chains.broadcast import files
from stoker.chains.errors import ChainError
from stoker.chains.hexadecimal import text

KILLS = int(os.environ.get("STOKER_BROADCAST_KILLS", "3"))
"""More of them, and `STOKER_BROADCAST_SEED`, make a longer proof."""


@pytest.fixture
def settings(changing, tmp_path):
    return write_settings(tmp_path / "chains.toml", {one: it.url for one, it in changing.items()})


def _transfers(worlds, count, chain_id=1, first=0):
    """Each moves another amount, so that they can be told apart."""
    return [
        captured(
            chain_id,
            first + at,
            worlds[chain_id]["USDC"],
            calldata("transfer(address,uint256)", OTHER_WALLET, USDC + at),
        )
        for at in range(count)
    ]


def _prepared(settings, nodes, transactions, *, timestamp=1):
    async def main():
        async with broadcaster(settings) as (_, engine, remote):
            pins = await pins_of(remote, nodes)
            return await group_of(engine, job(pins, transactions), timestamp)

    return asyncio.run(main())


def _broadcast(settings, groups, root):
    """How the run ended, and the outputs of its steps."""

    async def main():
        async with open_engine(root / "journal.db", directory=root) as engine:
            async with broadcaster(settings) as (outbox, _, _):
                run_id = await outbox.broadcast(engine, groups, root)
                handle = engine.handle(run_id)
            outcome = await handle.wait()
            return outcome.status, [step.outputs for step in handle.state.steps], handle.state

    return asyncio.run(main())


def _sent(node, sender=WALLET):
    """All that an account has sent, as blocks have it."""
    newest = int(node.rpc("eth_blockNumber"), 16)
    found = []
    for number in range(newest + 1):
        for one in node.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if one["from"] == sender.lower():
                found.append(one)
    return found


def test_transactions_of_two_chains_are_sent_in_order_and_told_as_forge_does(
    settings, changing, worlds, tmp_path
):
    code = bytes.fromhex("600a600c600039600a6000f3602a60005260206000f3")
    made = bytes.fromhex("9fe46736679d2d9a65f0992f2272de9f3c7fa6e0")
    first = _transfers(worlds, 2)
    transactions = [*first, *_transfers(worlds, 1, 10), captured(1, 2, None, code, contract=made)]
    group = _prepared(settings, changing, transactions, timestamp=1700000000000)
    status, outputs, _ = _broadcast(settings, [group], tmp_path)
    assert status == "succeeded"
    for chain_id, node in changing.items():
        expected = [text(one.data) for one in transactions if one.chain_id == chain_id]
        assert [one["input"] for one in _sent(node)] == expected
    path = tmp_path / "broadcast/multi"
    assert sorted(one.name for one in path.iterdir()) == [
        f"{SCRIPT}-1700000000000",
        f"{SCRIPT}-latest",
    ]
    assert (path / f"{SCRIPT}-latest/run.json").read_bytes() == (
        path / f"{SCRIPT}-1700000000000/run.json"
    ).read_bytes()
    told = files.read(tmp_path, SCRIPT, dry_run=False)
    assert [one.chain for one in told] == [1, 10, 1]
    assert [it.hash for one in told for it in one.transactions] == [it["hash"] for it in outputs]
    assert [it["status"] for one in told for it in one.receipts] == ["0x1"] * 4
    assert told[2].receipts[0]["contractAddress"] == told[2].transactions[0].contract_address
    assert changing[1].balance(OTHER_WALLET, worlds[1]["USDC"]) == 1_000 * USDC + 2 * USDC + 1


def test_a_dry_run_sends_nothing(settings, changing, worlds, tmp_path):
    group = _prepared(settings, changing, _transfers(worlds, 1), timestamp=5)

    async def main():
        async with broadcaster(settings) as (outbox, _, _):
            return await outbox.dry_run([group], tmp_path)

    (path,) = asyncio.run(main())
    assert path == tmp_path / f"broadcast/{SCRIPT}/1/dry-run/run-5.json"
    assert path.read_bytes() == path.with_name("run-latest.json").read_bytes()
    (read,) = files.read(tmp_path, SCRIPT, 1, dry_run=True)
    assert read == group.sequences[0]
    assert read.transactions[0].hash is None
    assert read.transactions[0].function == "transfer(address,uint256)"
    assert int(changing[1].rpc("eth_getTransactionCount", WALLET, "latest"), 16) == 0


def test_rpcs_that_do_not_sign_are_refused(changing, worlds, tmp_path):
    urls = {one: node.url for one, node in changing.items()}
    settings = write_settings(tmp_path / "chains.toml", urls, signs=False)
    group = _prepared(settings, changing, _transfers(worlds, 1))
    with pytest.raises(ChainError, match=r"'mainnet': the settings do not say that it signs"):
        _broadcast(settings, [group], tmp_path)
    assert int(changing[1].rpc("eth_getTransactionCount", WALLET, "latest"), 16) == 0


def test_what_would_fail_now_is_not_begun(settings, changing, worlds, tmp_path):
    group = _prepared(settings, changing, [*_transfers(worlds, 1), *_transfers(worlds, 1, 10)])
    world = worlds[10]
    everything = calldata("transfer(address,uint256)", OTHER_WALLET, 1_000_000 * USDC)
    changing[10].send(WALLET, world["USDC"], everything)
    with pytest.raises(
        ChainError, match="would not go through as the chains are now: transaction 1"
    ):
        _broadcast(settings, [group], tmp_path)
    assert int(changing[1].rpc("eth_getTransactionCount", WALLET, "latest"), 16) == 0


def test_nonces_are_those_of_now_but_for_what_rests_on_them(settings, changing, worlds, tmp_path):
    group = _prepared(settings, changing, _transfers(worlds, 2))
    creating = _prepared(settings, changing, [captured(1, 0, None, bytes.fromhex("00"))])
    changing[1].send(WALLET, OTHER_WALLET)
    status, _, _ = _broadcast(settings, [group], tmp_path)
    assert status == "succeeded"
    (read,) = files.read(tmp_path, SCRIPT, 1, dry_run=False)
    assert [one.transaction.nonce for one in read.transactions] == ["0x1", "0x2"]
    assert [one["nonce"] for one in _sent(changing[1])[-2:]] == ["0x1", "0x2"]
    with pytest.raises(ChainError, match="Run the group again"):
        _broadcast(settings, [creating], tmp_path)


def test_one_that_reverts_ends_the_rest(settings, changing, worlds, tmp_path):
    proxy = worlds[1]["RegisterProxy"]
    transactions = [
        captured(1, 0, proxy, calldata("register(uint256)", 5)),
        captured(1, 1, proxy, calldata("register(uint256)", 6), gas=30_000),
        captured(1, 2, proxy, calldata("register(uint256)", 7)),
    ]
    group = _prepared(
        settings, changing, [transactions[0], msgspec.structs.replace(transactions[2], nonce=1)]
    )
    last = msgspec.structs.replace(group.transactions[1], nonce=2)
    # what a rehearsal could not see
    group = msgspec.structs.replace(
        group, transactions=(group.transactions[0], *transactions[1:2], last)
    )

    async def main():
        async with open_engine(tmp_path / "journal.db", directory=tmp_path) as engine:
            async with broadcaster(settings) as (outbox, _, _):

                async def unrehearsed(groups):
                    return list(groups)

                outbox.rehearse = unrehearsed
                run_id = await outbox.broadcast(engine, [group], tmp_path)
                handle = engine.handle(run_id)
            await handle.wait()
            return handle.state

    state = asyncio.run(main())
    assert [step.status for step in state.steps] == ["succeeded", "failed", "skipped"]
    assert state.steps[1].outputs["receipt"]["status"] == "0x0"
    assert len(_sent(changing[1])) == 2


def test_a_nonce_used_for_something_else_is_told(settings, changing, worlds, tmp_path):
    group = _prepared(settings, changing, _transfers(worlds, 1))

    async def main():
        async with open_engine(tmp_path / "journal.db", directory=tmp_path) as engine:
            async with broadcaster(settings) as (outbox, _, _):
                rehearse = outbox.rehearse

                async def overtaken(groups):
                    numbered = await rehearse(groups)
                    changing[1].send(WALLET, OTHER_WALLET, value=5)
                    return numbered

                outbox.rehearse = overtaken
                run_id = await outbox.broadcast(engine, [group], tmp_path)
                handle = engine.handle(run_id)
            outcome = await handle.wait()
            return outcome, handle.state

    outcome, state = asyncio.run(main())
    assert outcome.status == "failed"
    assert "nonce 0 of 0xf39f" in state.steps[0].reason
    assert "was used by another transaction" in state.steps[0].reason


def test_what_was_broadcast_is_not_broadcast_again(settings, changing, worlds, tmp_path):
    group = _prepared(settings, changing, _transfers(worlds, 2))
    other = _prepared(settings, changing, _transfers(worlds, 1), timestamp=2)
    first, _, state = _broadcast(settings, [group], tmp_path)
    assert first == "succeeded"

    async def main(groups):
        async with (
            open_engine(tmp_path / "journal.db", directory=tmp_path) as engine,
            broadcaster(settings) as (outbox, _, _),
        ):
            return await outbox.broadcast(engine, groups, tmp_path)

    with pytest.raises(ChainError, match=f"it has been sent, by run {state.run_id}"):
        asyncio.run(main([group]))
    with pytest.raises(ChainError, match=rf"broadcast before: {SCRIPT} by {state.run_id}"):
        asyncio.run(main([group, other]))
    assert len(_sent(changing[1])) == 2
    with pytest.raises(ChainError, match="nothing to send"):
        asyncio.run(main([]))


def test_killed_at_any_time_each_transaction_is_mined_once_in_order(
    settings, changing, worlds, tmp_path
):
    transactions = _transfers(worlds, 8)
    group = _prepared(settings, changing, transactions)
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "groups").write_bytes(msgspec.msgpack.encode([group]))
    chance = random.Random(os.environ.get("STOKER_BROADCAST_SEED", "7"))
    run_id, outcome = "", ""

    def started(asked):
        program = Path(__file__).with_name("outbox.py")
        argv = [sys.executable, program, state, settings, tmp_path / "groups", asked]
        return subprocess.Popen([*map(str, argv)], stdout=subprocess.PIPE, text=True)

    # once before, or just after, there is a run
    owner = started("")
    while not list((state / "chains/broadcasts").glob("?" * 64)):
        assert owner.poll() is None
    owner.kill()
    owner.communicate()
    for left in range(KILLS, -1, -1):
        owner = started(run_id if left % 2 else "")
        run_id = owner.stdout.readline().strip()
        if left:
            # at some time after so many transactions are in blocks
            wanted = (KILLS - left + 1) * len(transactions) // (KILLS + 1)
            while int(changing[1].rpc("eth_getTransactionCount", WALLET, "latest"), 16) < wanted:
                assert owner.poll() is None
            for _ in range(chance.randrange(40)):
                changing[1].rpc("eth_chainId")
            owner.kill()
        outcome = owner.stdout.read().strip()
        owner.wait()
        if outcome:
            break
    assert outcome == "succeeded"
    sent = _sent(changing[1])
    assert [one["nonce"] for one in sent] == [hex(at) for at in range(len(transactions))]
    assert [one["input"] for one in sent] == [text(one.data) for one in transactions]
    (read,) = files.read(state, SCRIPT, 1, dry_run=False)
    assert [one.hash for one in read.transactions] == [one["hash"] for one in sent]
    assert len(read.receipts) == len(transactions)
