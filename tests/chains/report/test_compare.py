"""Capture against replay."""

import pytest

from stoker.chains.report.compare import Difference, differences
from stoker.chains.report.registry import Registry
from tests.chains.report.frames import (
    CHAINS,
    OTHER,
    PIN,
    ROUTER,
    SENDER,
    TOKEN,
    VM,
    call,
    calldata,
    capture,
    captured,
    event,
    function,
    outcome,
    replay,
    replayed,
    source,
    transfer,
)

REGISTRY = Registry([source("Router", ROUTER, [function("swap", "uint256 amount")])])
SWAP = captured(ROUTER, calldata("swap(uint256)", 5))


def words(*numbers: int) -> bytes:
    return b"".join(one.to_bytes(32) for one in numbers)


def compared(before: bytes, after: bytes, **frame: object) -> tuple[Difference, ...]:
    """Of a transaction whose one log has this data."""
    old, new = (event(ROUTER, "Told(uint256)", data=one) for one in (before, after))
    taken = capture(SWAP, outcomes=(outcome(logs=(old,)),))
    sent = replay(replayed(call(ROUTER, SWAP.data, logs=(new,), **frame)))  # type: ignore[arg-type]
    return differences(taken, sent, CHAINS, REGISTRY)


def test_the_same_is_no_difference() -> None:
    log = transfer(TOKEN, SENDER, OTHER, 5)
    taken = capture(SWAP, outcomes=(outcome(words(1), (log,)),))
    sent = replay(replayed(call(ROUTER, SWAP.data, output=words(1), logs=(log,))))
    assert differences(taken, sent, CHAINS, REGISTRY) == ()


def test_funds_that_were_only_dealt_while_the_script_ran() -> None:
    deal = call(VM, calldata("deal(address,uint256)", "0x" + SENDER.hex(), 10**18))
    taken = capture(SWAP, SWAP, outcomes=(outcome(), outcome()), calls=(deal,))
    poor = calldata("ERC20InsufficientBalance(address,uint256,uint256)", "0x" + SENDER.hex(), 0, 5)
    sent = replay(replayed(call(ROUTER, output=poor, error="execution reverted")))
    first, second = differences(taken, sent, CHAINS, REGISTRY)
    assert first.fatal and first.index == 0
    assert first.message.startswith(
        "transaction 0 (Router::swap on chain 1) fails when it is sent from the real account: "
        "ERC20InsufficientBalance(sender: 0x"
    )
    assert "was given 1000000000000000000 [1e18] wei; the real account lacks these funds" in (
        first.message
    )
    assert second.message.endswith("1 after it was not sent")


def test_tokens_that_were_dealt_by_writing_storage() -> None:
    data = calldata("store(address,bytes32,bytes32)", "0x" + TOKEN.hex(), bytes(32), bytes(32))
    taken = capture(SWAP, outcomes=(outcome(),), calls=(call(VM, data),))
    sent = replay(replayed(call(ROUTER, error="execution reverted")))
    (found,) = differences(taken, sent, CHAINS, REGISTRY)
    assert "was written, as to deal tokens; the real account lacks these funds" in found.message


def test_what_could_not_even_be_sent() -> None:
    taken = capture(SWAP, outcomes=(outcome(),))
    (found,) = differences(taken, replay(error="the sender has 0 wei, needs 5"), CHAINS, REGISTRY)
    assert found.fatal and found.message.endswith("was not sent: the sender has 0 wei, needs 5")


def test_what_fails_in_both_is_not_to_be_signed() -> None:
    taken = capture(SWAP, outcomes=(outcome(succeeded=False),))
    sent = replay(replayed(call(ROUTER, error="execution reverted")))
    (found,) = differences(taken, sent, CHAINS, REGISTRY)
    assert found.fatal and "it failed while the script ran, too" in found.message


def test_what_failed_only_while_the_script_ran() -> None:
    taken = capture(SWAP, outcomes=(outcome(succeeded=False),))
    (found,) = differences(taken, replay(replayed(call(ROUTER))), CHAINS, REGISTRY)
    assert found.fatal and "succeeds when it is sent" in found.message


def test_a_contract_that_only_the_script_has_made_is_not_there() -> None:
    """Though such a transaction succeeds: a call of nothing does."""
    made = call(ROUTER, kind="CREATE", from_=VM)
    taken = capture(SWAP, outcomes=(outcome(),), calls=(made,))
    (found,) = differences(taken, replay(replayed(call(ROUTER))), CHAINS, REGISTRY)
    assert found.fatal and found.message.endswith("there is nothing on the chain")
    factory = captured(OTHER)
    taken = capture(factory, SWAP, outcomes=(outcome(), outcome()), calls=(made,))
    sent = replay(replayed(call(OTHER, calls=(made,))), replayed(call(ROUTER)))
    assert differences(taken, sent, CHAINS, REGISTRY) == ()


def test_another_amount_is_held_against_it() -> None:
    (found,) = compared(words(7, 100), words(7, 90))
    assert found.fatal
    assert "data of log 0 (an unknown event of Router), at byte 32: 100 while" in found.message


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (PIN.timestamp, PIN.timestamp + 12, "as the block's time does"),
        (PIN.timestamp + 3_600, PIN.timestamp + 3_612, "as the block's time does"),
        (PIN.number, PIN.number + 1, "as the block's number does"),
        (999_950_000, 80_000, "as the gas that was left does"),
        (10**20, 10**20 - 50_000 * PIN.base_fee, "as the sender's coin does, which pays for gas"),
        (10**24, 10**24 + 3 * 10**17, "by so little as may accrue until the next block"),
    ],
)
def test_what_comes_of_the_later_block_or_of_gas_is_told_only(
    before: int, after: int, why: str
) -> None:
    (found,) = compared(words(1, before), words(1, after))
    assert not found.fatal and found.message.endswith(why)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (5, 6),
        (10**24, 10**24 + 3 * 10**20),
        (1 << 200, (1 << 200) + 1),
        (999_950_000, 99_999_999_999),
        (999_000_000, 1_000),
    ],
)
def test_what_only_looks_like_it_is_held_against_it(before: int, after: int) -> None:
    (found,) = compared(words(before), words(after))
    assert found.fatal


def test_a_time_that_the_script_set_is_known() -> None:
    warp = call(VM, calldata("warp(uint256)", 1_999_999_999))
    log, later = (
        event(ROUTER, "Told(uint256)", data=words(one))
        for one in (1_999_999_999, PIN.timestamp + 12)
    )
    taken = capture(SWAP, outcomes=(outcome(logs=(log,)),), calls=(warp,))
    sent = replay(replayed(call(ROUTER, SWAP.data, logs=(later,))))
    (found,) = differences(taken, sent, CHAINS, REGISTRY)
    assert not found.fatal
    failed = replay(replayed(call(ROUTER, error="execution reverted")))
    (found,) = differences(taken, failed, CHAINS, REGISTRY)
    assert found.fatal and "the time was set to 1999999999" in found.message


def test_logs_that_are_missing_or_of_others() -> None:
    log, other = transfer(TOKEN, SENDER, OTHER, 5), transfer(ROUTER, SENDER, OTHER, 5)
    taken = capture(SWAP, outcomes=(outcome(logs=(log, log)),))
    (found,) = differences(taken, replay(replayed(call(logs=(log,)))), CHAINS, REGISTRY)
    assert found.fatal and "wrote 2 logs while the script ran, 1 when it is sent" in found.message
    taken = capture(SWAP, outcomes=(outcome(logs=(log,)),))
    (found,) = differences(taken, replay(replayed(call(logs=(other,)))), CHAINS, REGISTRY)
    assert found.fatal and "has another log 0: Transfer of 0x" in found.message
    elsewhere = transfer(TOKEN, SENDER, ROUTER, 5)
    (found,) = differences(taken, replay(replayed(call(logs=(elsewhere,)))), CHAINS, REGISTRY)
    assert found.fatal and "topics of log 0 (Transfer of 0x" in found.message


def test_code_with_the_time_set_into_it() -> None:
    head, tail = b"\x60\x80\x60\x40\x52\x7f", b"\x5b\x00"
    old, new = (head + words(one) + tail for one in (PIN.timestamp, PIN.timestamp + 12))
    taken = capture(SWAP, outcomes=(outcome(old),))
    (found,) = differences(taken, replay(replayed(call(output=new))), CHAINS, REGISTRY)
    assert not found.fatal
    (found,) = differences(
        taken, replay(replayed(call(output=old[:-1] + b"\x01"))), CHAINS, REGISTRY
    )
    assert found.fatal


def test_a_returndata_bomb_that_differs_everywhere_is_told_in_few_words() -> None:
    taken = capture(SWAP, outcomes=(outcome(b"\x01" * 320_000),))
    found = differences(taken, replay(replayed(call(output=b"\x02" * 320_000))), CHAINS, REGISTRY)
    assert 1 < len(found) < 30 and all(one.fatal for one in found)
    assert sum(len(one.message) for one in found) < 20_000
