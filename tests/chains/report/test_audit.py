"""What the wallet lost and gave away, against what the group meant."""

from stoker.chains.group import Amount, OperationGroup
from stoker.chains.report.audit import Audit, audit
from stoker.chains.report.registry import Registry
from stoker.chains.report.values import address_text
from tests.chains.report.frames import (
    OTHER,
    ROUTER,
    SCRIPT,
    SENDER,
    TOKEN,
    approval,
    call,
    capture,
    captured,
    event,
    replay,
    replayed,
    source,
    transfer,
)

REGISTRY = Registry([source("Token", TOKEN, [])])
TOKENS = address_text(TOKEN)


def audited(*frames: object, spends: tuple[Amount, ...] | None = (), chain_id: int = 1) -> Audit:
    group = OperationGroup(description="", operations=(), spends=spends)
    sent = [captured(chain_id=chain_id) for _ in frames]
    taken = capture(*sent)
    done = replay(*(replayed(one) for one in frames))  # type: ignore[arg-type]
    return audit(group, SENDER, taken, done, REGISTRY)


SWAP = call(
    ROUTER,
    value=10,
    calls=(call(TOKEN, logs=(transfer(TOKEN, ROUTER, SENDER, 300),)),),
)


def test_what_the_group_says_that_it_spends_may_go() -> None:
    assert audited(SWAP, spends=(Amount(1, 10),)) == Audit((), ())
    assert audited(SWAP, spends=(Amount(1, 6), Amount(1, 4))) == Audit((), ())


def test_more_than_the_group_says_may_not() -> None:
    (found,) = audited(SWAP, spends=(Amount(1, 9),)).problems
    assert found == (
        "the sender loses 10 wei on chain 1, and the group says that it spends 9 wei on chain 1"
    )
    (found,) = audited(SWAP).problems
    assert found.endswith("says that it spends none of it")


def test_the_same_coin_of_another_chain_is_another() -> None:
    (found,) = audited(SWAP, spends=(Amount(1, 10),), chain_id=10).problems
    assert "loses 10 wei on chain 10" in found


def test_tokens_and_collectibles_count_too() -> None:
    sent = event(TOKEN, "Transfer(address,address,uint256)", SENDER, OTHER, (77).to_bytes(32))
    lost = call(TOKEN, logs=(transfer(TOKEN, SENDER, OTHER, 5),))
    assert audited(lost, spends=(Amount(1, 5, TOKENS),)).problems == ()
    (found,) = audited(lost, spends=(Amount(1, 5),)).problems
    assert f"loses 5 of Token: [{TOKENS}] on chain 1" in found
    nft = call(TOKEN, logs=(sent,))
    assert audited(nft, spends=(Amount(1, 1, TOKENS),)).problems == ()
    (found,) = audited(nft).problems
    assert f"loses 1 tokens of Token: [{TOKENS}] on chain 1" in found


def test_what_comes_back_is_not_lost() -> None:
    back = call(ROUTER, value=10, calls=(call(SENDER, from_=ROUTER, value=10),))
    assert audited(back).problems == ()


def test_a_group_that_does_not_say_is_held_to_nothing() -> None:
    assert audited(SWAP, spends=None).problems == ()


def test_what_is_left_with_the_script_is_lost_whatever_the_group_says() -> None:
    stranded = call(
        ROUTER, value=1, calls=(call(TOKEN, logs=(transfer(TOKEN, ROUTER, SCRIPT, 8),)),)
    )
    (found,) = audited(stranded, spends=None).problems
    assert found.startswith("8 of Token") and "the script's own address" in found


def test_allowances_that_are_left_are_named_and_no_fault() -> None:
    endless = call(TOKEN, logs=(approval(TOKEN, SENDER, ROUTER, (1 << 256) - 1),))
    few = call(TOKEN, logs=(approval(TOKEN, SENDER, OTHER, 3),))
    others = call(TOKEN, logs=(approval(TOKEN, OTHER, ROUTER, 3),))
    found = audited(endless, few, others)
    assert found.problems == ()
    first, second = found.notes
    sender, router, other = (address_text(one) for one in (SENDER, ROUTER, OTHER))
    assert first == (
        f"{router} may still take an unlimited amount of Token: [{TOKENS}] on chain 1 from {sender}"
    )
    assert second == f"{other} may still take 3 of Token: [{TOKENS}] on chain 1 from {sender}"
