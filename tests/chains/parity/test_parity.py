"""Each script of the corpus through Stoker and through real forge: the same transactions, byte for
byte. And then on real nodes: status, gas, logs, addresses and traces are as the replay foretold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from forge_project import Answer, Project, scripts
from msgspec import structs
from nodes import Node
from stoker_bench import Bench, Run, sent

from stoker.chains.evm.frame import Frame, walk
from stoker.chains.evm.job import Replay
from stoker.chains.evm.traced import read_frame
from stoker.chains.report.audit import changes
from stoker.chains.report.compare import differences
from stoker.chains.report.summary import capture_error
from stoker.chains.state.change import AccountChange

FORGE_IS_WRONG = {
    "Calls.s.sol:CallTransientBetween": "it runs a script as one transaction, so that what is "
    "transient stays from one of those it broadcasts to the next; on a chain it does not, and the "
    "last transaction would send another amount than the contract tells",
}
OF_THEIR_BLOCK = {"CallLooks", "CallSeesItself", "CallAround", "TokenSwap", "TokenLiquidity"}
"""What they store has the time or the number of the block, which is another one on the node."""
WORKING = [one for one in scripts() if ":Fail" not in one]
FAILING = {
    "FailText": ("no, thank you", "no, thank you"),
    "FailCustom": ("Refused(who: 0xf39F", "Refused(0xf39F"),
    "FailBare": ("Bare()", "Bare()"),
    "FailEmpty": ("reverted without a reason, in Failing::empty()", "EvmError: Revert"),
    "FailOverflow": ("panic: arithmetic underflow or overflow (0x11)",) * 2,
    "FailDivision": ("panic: division or modulo by zero (0x12)",) * 2,
    "FailIndex": (
        "panic: index out of bounds (0x32)",
        "panic: array out-of-bounds access (0x32)",
    ),
    "FailAssert": ("panic: assertion failed (0x01)",) * 2,
    "FailConstructor": ("the constructor refuses",) * 2,
    "FailInScript": ("the script itself refuses",) * 2,
    "FailOutOfFunds": ("insufficient balance for transfer, in 0xA11c", "OutOfFunds"),
    "FailOwnAddress": ("Usage of `address(this)` detected in script contract",) * 2,
    "FailWhenSent": ("it failed while the script ran, too", "Simulated execution failed"),
    "FailDealtCoin": ("the real account lacks these funds", "lack of funds"),
    "FailDealtToken": ("the real account lacks these funds", "Simulated execution failed"),
    "FailTooEarly": ("TooEarly(left: 31536000", "Simulated execution failed"),
    # forge is wrong here: it proposes a call of an address at which there is nothing, that would
    # succeed and do nothing
    "FailNotThere": ("there is nothing on the chain", None),
}
"""What Stoker says, and forge; None: it says that all is well."""


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(scripts()) >= 60
    assert {one.partition(":")[2] for one in scripts()} >= FAILING.keys()
    assert {one for one in scripts() if one.partition(":")[2] not in FAILING} == {*WORKING}


@pytest.mark.parametrize("script", WORKING)
def test_the_same_transactions_as_forge_and_the_same_effects_as_a_node(
    script: str, bench: Bench, project: Project, changing: dict[int, Node], tmp_path: Path
) -> None:
    with project.running(script, changing, tmp_path) as forge:
        ours = bench.run(script)
        theirs = forge.answer()
    assert ours.capture.error is None, ours.capture.error
    assert theirs.succeeded, theirs.said
    same = by_chain(our_transactions(ours)) == by_chain(their_transactions(theirs))
    assert same is (script not in FORGE_IS_WRONG), (ours.capture.transactions, theirs.transactions)
    assert [one.message for one in ours.differences if one.fatal] == []
    agreed(ours, bench.on_anvil(ours))
    on_nodes(ours, changing)
    if script.partition(":")[2] not in OF_THEIR_BLOCK:
        state_of_nodes(ours, changing)


@pytest.mark.parametrize("name", FAILING)
def test_what_is_not_to_be_sent_fails_for_the_same_reason(
    name: str, bench: Bench, project: Project, nodes: dict[int, Node], tmp_path: Path
) -> None:
    script, (ours_says, forge_says) = f"Failures.s.sol:{name}", FAILING[name]
    with project.running(script, nodes, tmp_path) as forge:
        ours = bench.run(script)
        theirs = forge.answer()
    if ours.capture.error is not None:
        assert ours_says in capture_error(ours.capture, ours.registry)
    else:
        assert ours_says in " ".join(one.message for one in ours.differences if one.fatal)
    assert theirs.succeeded is (forge_says is None)
    assert (forge_says or "") in theirs.said


def test_transient_storage_is_gone_between_transactions(
    bench: Bench, project: Project, nodes: dict[int, Node], tmp_path: Path
) -> None:
    """Where forge is wrong: the value that the contract keeps is 0 + 1 on a chain."""
    script = "Calls.s.sol:CallTransientBetween"
    with project.running(script, nodes, tmp_path) as forge:
        ours = bench.run(script)
        theirs = list(their_transactions(forge.answer()))
    *before, last = our_transactions(ours)
    assert before == theirs[:-1]
    assert (last["value"], theirs[-1]["value"]) == (1, 6)


def our_transactions(run: Run) -> Iterable[dict[str, Any]]:
    for one in run.capture.transactions:
        yield {
            "chain": one.chain_id,
            "kind": one.kind,
            "from": f"0x{one.from_.hex()}",
            "to": None if one.to is None else f"0x{one.to.hex()}",
            "value": one.value,
            "data": f"0x{one.data.hex()}",
            "nonce": one.nonce,
            "fixed gas": one.gas,
            "creates": None if one.contract is None else f"0x{one.contract.hex()}",
        }


def their_transactions(answer: Answer) -> Iterable[dict[str, Any]]:
    for one in answer.transactions:
        sent_ = one["transaction"]
        creates = one["contractAddress"] if one["transactionType"] != "CALL" else None
        yield {
            "chain": int(sent_["chainId"], 16),
            "kind": one["transactionType"],
            "from": sent_["from"],
            "to": sent_.get("to"),
            "value": int(sent_.get("value", "0x0"), 16),
            "data": sent_.get("input", "0x"),
            "nonce": int(sent_["nonce"], 16),
            "fixed gas": int(sent_["gas"], 16) if one["isFixedGasLimit"] else None,
            "creates": creates and creates.lower(),
        }


def by_chain(transactions: Iterable[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """In their order on each."""
    found: dict[int, list[dict[str, Any]]] = {}
    for one in transactions:
        found.setdefault(one["chain"], []).append(one)
    return found


def agreed(run: Run, other: Replay) -> None:
    """Of both engines' replays: gas, what is stored, what changed hands, what is left."""
    assert run.replay is not None
    for ours, theirs in zip(run.replay.transactions, other.transactions, strict=True):
        assert (ours.gas_used, ours.storage) == (theirs.gas_used, theirs.storage)
    assert changes(run.capture, run.replay) == changes(run.capture, other)
    found = differences(run.capture, other, run.chains, run.registry)
    assert not any(one.fatal for one in found), found


def on_nodes(run: Run, nodes: dict[int, Node]) -> None:
    """The replay foretold what happens when the transactions are sent."""
    assert run.replay is not None and run.replay.error is None
    pairs = zip(run.capture.transactions, run.replay.transactions, strict=True)
    times: dict[int, str] = {}
    for captured, replayed in pairs:
        node = nodes[captured.chain_id]
        if captured.chain_id in times:  # as in one block: pairs note how long ago they changed
            node.rpc("evm_setNextBlockTimestamp", times[captured.chain_id])
        receipt = sent(node, captured)
        block = node.rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
        times[captured.chain_id] = block["timestamp"]
        assert (receipt["status"] == "0x1") is replayed.succeeded
        assert int(receipt["gasUsed"], 16) == replayed.gas_used
        assert [(one["address"], one["topics"], one["data"]) for one in receipt["logs"]] == [
            (
                f"0x{one.address.hex()}",
                [f"0x{topic.hex()}" for topic in one.topics],
                f"0x{one.data.hex()}",
            )
            for one in replayed.logs
        ]
        traced = node.rpc(
            "debug_traceTransaction",
            receipt["transactionHash"],
            {"tracer": "callTracer", "tracerConfig": {"withLog": True}},
        )
        now = run.chains.pins[captured.chain_id].timestamp
        assert list(told(replayed.frame, now)) == list(told(read_frame(traced), now))
        if captured.kind == "CREATE":
            created = bytes.fromhex(receipt["contractAddress"][2:])
            assert created == replayed.created == captured.contract


def state_of_nodes(run: Run, nodes: dict[int, Node]) -> None:
    """And what is then there."""
    assert run.replay is not None
    payers = {one.from_ for one in run.capture.transactions}
    for chain_id, delta in run.replay.deltas.items():
        number = hex(run.chains.pins[chain_id].number)
        for address, change in delta.accounts.items():
            as_foretold(nodes[chain_id], number, address, change, pays=address in payers)


def as_foretold(
    node: Node, number: str, address: bytes, change: AccountChange, *, pays: bool
) -> None:
    """The node's account is what a delta makes of that at its pinned block."""
    account = f"0x{address.hex()}"

    def advanced(method: str) -> int:
        then = 0 if change.cleared else int(node.rpc(method, account, number), 16)
        return int(node.rpc(method, account, "latest"), 16) - then

    assert advanced("eth_getTransactionCount") == change.nonce
    if not pays:  # for gas, at prices of its blocks
        assert advanced("eth_getBalance") == change.balance
    if change.code is not None:
        assert node.rpc("eth_getCode", account, "latest") == f"0x{change.code.hex()}"
    for slot, value in change.storage.items():
        assert int(node.rpc("eth_getStorageAt", account, hex(slot), "latest"), 16) == value


def told(frame: Frame, now: int) -> Iterable[Frame]:
    """A frame and all within it, each by itself, without the engine's own words for what failed,
    and without today's times in what is returned."""
    for one in walk(frame):
        words = [one.output[at : at + 32] for at in range(0, len(one.output), 32)]
        timeless = [b"" if abs(int.from_bytes(word) - now) < 86_400 else word for word in words]
        failed = None if one.error is None else "failed"
        yield structs.replace(one, calls=(), gas=0, error=failed, output=b"".join(timeless))
