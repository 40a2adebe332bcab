"""The whole of an execution."""

import msgspec

from stoker.chains.evm.job import Capture
from stoker.chains.report.compare import Difference
from stoker.chains.report.registry import Registry
from stoker.chains.report.summary import explanation, report
from tests.chains.report.frames import (
    CHAINS,
    OTHER,
    PIN,
    ROUTER,
    SENDER,
    TOKEN,
    approval,
    call,
    calldata,
    capture,
    captured,
    function,
    replay,
    replayed,
    source,
    transfer,
)

REGISTRY = Registry([source("Token", TOKEN, [function("pay", "address to, uint256 amount")])])
PAY = calldata("pay(address,uint256)", "0x" + OTHER.hex(), 5)
LOGS = (transfer(TOKEN, SENDER, OTHER, 5), approval(TOKEN, SENDER, ROUTER, 3))
TAKEN = capture(captured(TOKEN, PAY, value=2), captured(ROUTER, chain_id=10))
SENT = replay(
    replayed(call(TOKEN, PAY, value=2, logs=LOGS), storage={TOKEN: {7: (1, 2)}}),
    replayed(call(ROUTER, gas_used=30_000)),
)


def test_as_data() -> None:
    shown = msgspec.json.decode(msgspec.json.encode(report(TAKEN, SENT, CHAINS, REGISTRY)))
    first, second = shown["transactions"]
    assert first["function"] == "pay(address,uint256)" and first["arguments"][1]["value"] == "5"
    assert first["contract"] == "Token" and first["succeeded"] is True
    assert [one["event"] for one in first["logs"]] == [
        "Transfer(address,address,uint256)",
        "Approval(address,address,uint256)",
    ]
    (slot,) = first["storage"]
    assert slot["contract"] == "Token" and int(slot["slot"], 16) == 7
    assert (int(slot["before"], 16), int(slot["after"], 16)) == (1, 2)
    assert second["chain_id"] == 10 and second["contract"] is None
    assert {(one["kind"], one["amount"]) for one in shown["balances"]} == {
        *(("coin", "-2"), ("coin", "2")),
        *(("erc20", "-5"), ("erc20", "5")),
    }
    (left,) = shown["approvals"]
    assert left["amount"] == "3" and left["unlimited"] is False
    assert shown["gas"] == [
        {"chain_id": 1, "used": 21_000, "cost": str(21_000 * PIN.base_fee)},
        {"chain_id": 10, "used": 30_000, "cost": str(30_000 * PIN.base_fee)},
    ]


def test_as_text() -> None:
    note = Difference(index=0, message="transaction 0 differs in the time", fatal=False)
    text = explanation(TAKEN, SENT, REGISTRY, (note,))
    assert text.splitlines()[0] == "Note: transaction 0 differs in the time"
    assert "Transaction 0 (Token::pay on chain 1) succeeds; gas 21000" in text
    assert "Balance changes, without gas:" in text and ": -5 of Token: [0x" in text
    assert "may still take 3 of Token" in text


def test_a_script_that_fails_is_traced() -> None:
    why = calldata("Panic(uint256)", 0x11)
    failed = capture(error="panic", output=why)
    text = explanation(failed, None, REGISTRY)
    assert text.startswith("The script fails: panic: arithmetic underflow or overflow (0x11)")
    assert "Trace of the script:" in text


def test_a_script_that_prints_without_end_is_cut() -> None:
    loud = msgspec.structs.replace(TAKEN, console=tuple("x" * 1_000 for _ in range(1_000)))
    assert isinstance(loud, Capture)
    assert len(explanation(loud, SENT, REGISTRY)) < 61_000


def test_names_and_prints_cannot_write_to_the_terminal() -> None:
    evil = "\x1b[2J"
    hostile = source(f"Tok{evil}en", TOKEN, [function("pay", f"address {evil}, uint256 amount")])
    loud = msgspec.structs.replace(TAKEN, console=(f"{evil}printed",))
    text = explanation(loud, SENT, Registry([hostile]))
    assert "\x1b" not in text
    assert "  \\x1b[2Jprinted" in text and "Tok[2Jen::" in text
