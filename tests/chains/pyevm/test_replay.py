"""Transactions replayed: what a node's receipts say of the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from deploy import World
from evm_rules import NodeState, pinned
from nodes import OTHER_WALLET, WALLET, Node, calldata

from stoker.chains.evm.frame import Frame
from stoker.chains.evm.job import Capture, Captured, Chains, Replay, Replayed, ReplayJob
from stoker.chains.evm.pyevm.replay import replay
from stoker.chains.state.change import AccountChange, Delta

A = bytes.fromhex(WALLET[2:])
ETHER = 10**18


def sent(
    to: str | None, data: bytes = b"", value: int = 0, nonce: int = 0, by: bytes = A
) -> Captured:
    return Captured(
        chain_id=1,
        from_=by,
        to=bytes.fromhex(to[2:]) if to is not None else None,
        value=value,
        data=data,
        nonce=nonce,
        kind="CREATE" if to is None else "CALL",
    )


@pytest.fixture
def replayed(nodes: dict[int, Node]) -> Callable[..., Replay]:
    def run(*transactions: Captured, chains: Chains | None = None, **job: bool) -> Replay:
        chains = chains or pinned(nodes)
        return replay(ReplayJob(transactions=transactions, chains=chains, **job), NodeState(nodes))

    return run


def assert_as_receipt(node: Node, one: Captured, ours: Replayed) -> None:
    receipt = node.send(
        f"0x{one.from_.hex()}",
        f"0x{one.to.hex()}" if one.to is not None else None,
        one.data,
        one.value,
    )
    assert ours.error is None
    assert ours.gas_used == int(receipt["gasUsed"], 16)
    assert [(log.address, [*log.topics], log.data) for log in ours.logs] == [
        (
            bytes.fromhex(log["address"][2:]),
            [bytes.fromhex(topic[2:]) for topic in log["topics"]],
            bytes.fromhex(log["data"][2:]),
        )
        for log in receipt["logs"]
    ]
    created = receipt["contractAddress"]
    assert ours.created == (bytes.fromhex(created[2:]) if created else None)


@pytest.mark.parametrize(
    "name", ["Transfers", "Creates", "Create2", "Libraries", "Proxies", "FixedGas"]
)
def test_gas_and_logs_of_what_scripts_send_are_those_of_receipts(
    name: str,
    changing: dict[int, Node],
    captured: Callable[..., Capture],
    replayed: Callable[..., Replay],
) -> None:
    script = captured(name)
    ours = replayed(*script.transactions)
    assert ours.error is None
    for one, mine in zip(script.transactions, ours.transactions, strict=True):
        assert_as_receipt(changing[1], one, mine)


def test_what_a_call_does_in_capture_it_does_in_replay(
    captured: Callable[..., Capture], replayed: Callable[..., Replay]
) -> None:
    script = captured("Creates")
    ours = replayed(*script.transactions)
    assert [(one.succeeded, one.output, one.logs) for one in script.outcomes] == [
        (one.succeeded, one.output, one.logs) for one in ours.transactions
    ]


def test_swaps_have_the_gas_and_logs_of_receipts(
    changing: dict[int, Node], worlds: dict[int, World], replayed: Callable[..., Replay]
) -> None:
    at = worlds[1]
    swap_v2 = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
    swap_v3 = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
    v3 = (at["USDC"], at["WETH"], 3000, WALLET, 2**40, 10**6, 0, 0)
    path = [at["WETH"], at["USDC"]]
    calls = [
        (at["WETH"], calldata("deposit()"), ETHER),
        (at["WETH"], calldata("approve(address,uint256)", at["UniswapV2Router02"], ETHER), 0),
        (at["UniswapV2Router02"], calldata(swap_v2, ETHER, 1, path, WALLET, 2**40), 0),
        (at["USDC"], calldata("approve(address,uint256)", at["SwapRouter"], 10**12), 0),
        (at["SwapRouter"], calldata(swap_v3, v3), 0),
        (at["WETH"], calldata("withdraw(uint256)", 5), 0),
        (at["UniswapV2Router02"], b"\1" * 3000, 0),
    ]
    transactions = [sent(to, data, value, n) for n, (to, data, value) in enumerate(calls)]
    ours = replayed(*transactions)
    assert ours.error == "transaction 6 failed: execution reverted"
    for one, mine in zip(transactions[:6], ours.transactions[:6], strict=True):
        assert_as_receipt(changing[1], one, mine)


def test_the_least_gas_for_data_and_a_refund_are_as_in_receipts(
    changing: dict[int, Node], worlds: dict[int, World], replayed: Callable[..., Replay]
) -> None:
    approve, usdc = "approve(address,uint256)", worlds[1]["USDC"]
    transactions = [
        sent(OTHER_WALLET, b"\1" * 5000 + bytes(77)),
        sent(usdc, calldata(approve, OTHER_WALLET, 5), nonce=1),
        sent(usdc, calldata(approve, OTHER_WALLET, 0), nonce=2),
    ]
    ours = replayed(*transactions)
    for one, mine in zip(transactions, ours.transactions, strict=True):
        assert_as_receipt(changing[1], one, mine)


def test_changes_are_sums_and_slots_with_what_was_there_before(
    worlds: dict[int, World], replayed: Callable[..., Replay]
) -> None:
    weth = bytes.fromhex(worlds[1]["WETH"][2:])
    ours = replayed(sent(worlds[1]["WETH"], calldata("deposit()"), ETHER))
    (slots,) = ours.transactions[0].storage.values()
    ((slot, (before, after)),) = slots.items()
    assert (before, after) == (100 * ETHER, 101 * ETHER)
    assert ours.deltas[1] == Delta(
        {
            A: AccountChange(balance=-ETHER, nonce=1),
            weth: AccountChange(balance=ETHER, storage={slot: after}),
        }
    )
    accesses = ours.accesses[1]
    assert (accesses.slots, accesses.spent) == ({weth: {slot}}, {A: ETHER})
    assert not accesses.balances and not accesses.nonces
    assert weth in accesses.codes


def test_a_group_sees_what_those_before_it_have_done(
    nodes: dict[int, Node], worlds: dict[int, World], replayed: Callable[..., Replay]
) -> None:
    deposit = sent(worlds[1]["WETH"], calldata("deposit()"), ETHER)
    chains = msgspec.structs.replace(pinned(nodes), deltas=replayed(deposit).deltas)
    second = replayed(msgspec.structs.replace(deposit, nonce=1), chains=chains)
    assert second.error is None
    ((_, values),) = second.transactions[0].storage[bytes.fromhex(worlds[1]["WETH"][2:])].items()
    assert values == (101 * ETHER, 102 * ETHER)
    again = replayed(deposit, chains=chains)
    assert again.error is not None and "nonce is 0, and the next" in again.error


def test_what_cannot_be_sent_says_why(
    worlds: dict[int, World], replayed: Callable[..., Replay]
) -> None:
    poor = replayed(sent(OTHER_WALLET, value=10**30))
    assert poor.error == (
        f"transaction 0 cannot be sent: {WALLET.lower()} has {10**22} wei, and it sends {10**30}"
    )
    assert poor.accesses[1].balances == {A}
    assert not poor.transactions[0].succeeded
    weth = bytes.fromhex(worlds[1]["WETH"][2:])
    contract = replayed(sent(OTHER_WALLET, by=weth, nonce=1))
    assert contract.error is not None and "EIP-3607" in contract.error
    relayed = replayed(sent(OTHER_WALLET, by=weth, nonce=55), relayed=True)
    assert relayed.error is None and relayed.transactions[0].gas_used == 21_000


def test_a_creation_rests_on_its_senders_nonce(
    captured: Callable[..., Capture], replayed: Callable[..., Replay]
) -> None:
    ours = replayed(*captured("Creates").transactions[:1])
    assert ours.accesses[1].nonces == {A}
    created = ours.transactions[0].created
    assert created is not None
    change = ours.deltas[1].accounts[created]
    assert (change.nonce, change.balance, change.cleared) == (1, 3, False)
    assert change.code == ours.transactions[0].output


def test_code_that_asks_for_a_balance_has_looked_at_it(
    changing: dict[int, Node], replayed: Callable[..., Replay]
) -> None:
    asks = bytes.fromhex("600b600b5f39600b5ff3" + "00" + "3031475f5260205ff3")
    ours = replayed(sent(None, asks))
    assert ours.transactions[0].created in ours.deltas[1].accounts
    assert not ours.accesses[1].balances
    address = ours.transactions[0].created
    assert address is not None
    chains = msgspec.structs.replace(pinned(changing), deltas=ours.deltas)
    looked = replayed(sent(f"0x{address.hex()}", nonce=1), chains=chains)
    assert looked.accesses[1].balances == {address}


def shape(frame: Frame) -> list[Any]:
    logs = [(log.address.hex(), log.position) for log in frame.logs]
    ends = (frame.type, frame.from_.hex(), frame.to.hex(), frame.value, frame.error)
    calls = [shape(inner) for inner in frame.calls]
    return [*ends, frame.input.hex(), frame.output.hex(), logs, calls]


def told(frame: dict[str, Any]) -> list[Any]:
    logs = [(log["address"][2:], int(log["position"], 16)) for log in frame.get("logs", ())]
    value = int(frame.get("value", "0x0"), 16)
    ends = (frame["type"], frame["from"][2:], frame["to"][2:], value, frame.get("error"))
    data = (frame["input"][2:], frame.get("output", "0x")[2:])
    return [*ends, *data, logs, [told(inner) for inner in frame.get("calls", ())]]


@pytest.mark.parametrize("least", [1, 10**30])
def test_calls_are_told_as_a_node_tells_them(
    least: int,
    nodes: dict[int, Node],
    worlds: dict[int, World],
    replayed: Callable[..., Replay],
) -> None:
    at = worlds[1]
    swap = "swapExactETHForTokens(uint256,address[],address,uint256)"
    data = calldata(swap, least, [at["WETH"], at["USDC"]], WALLET, 2**40)
    call = {
        "from": WALLET,
        "to": at["UniswapV2Router02"],
        "data": f"0x{data.hex()}",
        "value": hex(ETHER),
        "gas": hex(5_000_000),
    }
    options = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
    theirs = nodes[1].rpc("debug_traceCall", call, "latest", options)
    one = msgspec.structs.replace(sent(call["to"], data, ETHER), gas=5_000_000)
    (mine,) = replayed(one).transactions
    assert shape(mine.frame) == told(theirs)
