"""What changed hands."""

from stoker.chains.report.changes import Asset, Changes, Ledger
from tests.chains.report.frames import (
    NOBODY,
    OTHER,
    ROUTER,
    SENDER,
    TOKEN,
    approval,
    call,
    calldata,
    event,
    transfer,
)

COIN, ERC20, NFT = Asset(1), Asset(1, TOKEN), Asset(1, TOKEN, collectible=True)
UNLIMITED = (1 << 256) - 1


def moved(*frames: object) -> Changes:
    ledger = Ledger()
    for frame in frames:
        ledger.add(1, frame)  # type: ignore[arg-type]
    return ledger.changes()


def deposited(amount: int, value: int, *more: object) -> object:
    log = event(TOKEN, "Deposit(address,uint256)", SENDER, data=amount.to_bytes(32))
    return call(TOKEN, calldata("deposit()"), value=value, logs=(*more, log))  # type: ignore[arg-type]


def test_coin_moves_with_calls_that_stand() -> None:
    back = call(SENDER, from_=ROUTER, value=3)
    lost = call(OTHER, from_=ROUTER, value=50, error="execution reverted", calls=(back,))
    library = call(OTHER, from_=ROUTER, value=10, kind="DELEGATECALL")
    died = call(OTHER, from_=ROUTER, value=2, kind="SELFDESTRUCT")
    changes = moved(call(ROUTER, value=10, calls=(back, lost, library, died)))
    assert changes.amounts == {COIN: {SENDER: -7, ROUTER: 5, OTHER: 2}}


def test_nothing_of_a_transaction_that_failed_counts() -> None:
    log = transfer(TOKEN, SENDER, OTHER, 5)
    failed = call(ROUTER, value=1, error="out of gas", calls=(call(TOKEN, logs=(log,)),))
    assert moved(failed) == Changes()


def test_tokens_and_collectibles() -> None:
    sent = event(TOKEN, "Transfer(address,address,uint256)", SENDER, OTHER, (77).to_bytes(32))
    changes = moved(
        call(TOKEN, logs=(transfer(TOKEN, SENDER, OTHER, 5), sent)),
        call(TOKEN, logs=(transfer(TOKEN, OTHER, ROUTER, 5),)),
    )
    assert changes.amounts == {
        ERC20: {SENDER: -5, ROUTER: 5},
        NFT: {SENDER: -1, OTHER: 1},
    }
    assert changes.ids == {NFT: {77: OTHER}}


def test_wrapped_coin() -> None:
    changes = moved(deposited(9, 9))
    assert changes.of(SENDER, COIN) == -9 and changes.of(SENDER, ERC20) == 9
    log = event(TOKEN, "Withdrawal(address,uint256)", SENDER, data=(4).to_bytes(32))
    paid = call(SENDER, from_=TOKEN, value=4)
    changes = moved(call(TOKEN, calldata("withdraw(uint256)", 4), logs=(log,), calls=(paid,)))
    assert changes.of(SENDER, COIN) == 4 and changes.of(SENDER, ERC20) == -4


def test_an_event_that_only_looks_like_a_deposit_is_none() -> None:
    assert moved(deposited(9, 0)).amounts == {}


def test_a_wrapper_that_also_tells_of_a_transfer_is_counted_once() -> None:
    assert moved(deposited(9, 9, transfer(TOKEN, NOBODY, SENDER, 9))).of(SENDER, ERC20) == 9


def test_allowances_that_are_left() -> None:
    changes = moved(
        call(TOKEN, logs=(approval(TOKEN, SENDER, ROUTER, 100),)),
        call(TOKEN, logs=(approval(TOKEN, SENDER, OTHER, UNLIMITED),)),
        call(TOKEN, logs=(approval(TOKEN, SENDER, SENDER, 3),)),
        call(TOKEN, logs=(approval(TOKEN, SENDER, SENDER, 0),)),
    )
    assert [(one.spender, one.amount, one.unlimited) for one in changes.approvals] == [
        (ROUTER, 100, False),
        (OTHER, UNLIMITED, True),
    ]


def test_what_a_spender_takes_is_off_its_allowance() -> None:
    def takes(amount: int, *logs: object, error: str | None = None) -> object:
        data = calldata(
            "transferFrom(address,address,uint256)", "0x" + SENDER.hex(), "0x" + OTHER.hex(), amount
        )
        return call(ROUTER, calls=(call(TOKEN, data, from_=ROUTER, logs=logs, error=error),))  # type: ignore[arg-type]

    approved = call(TOKEN, logs=(approval(TOKEN, SENDER, ROUTER, 100),))
    assert moved(approved, takes(100)).approvals == ()
    (left,) = moved(approved, takes(60)).approvals
    assert left.amount == 40
    (left,) = moved(approved, takes(60, error="execution reverted")).approvals
    assert left.amount == 100
    (left,) = moved(approved, takes(60, approval(TOKEN, SENDER, ROUTER, 41))).approvals
    assert left.amount == 41  # the token says it itself
    endless = call(TOKEN, logs=(approval(TOKEN, SENDER, ROUTER, UNLIMITED),))
    (left,) = moved(endless, takes(60)).approvals
    assert left.unlimited


def test_allowances_for_collectibles() -> None:
    signature = "Approval(address,address,uint256)"
    given = event(TOKEN, signature, SENDER, ROUTER, (7).to_bytes(32))
    (left,) = moved(call(TOKEN, logs=(given,))).approvals
    assert (left.token_id, left.collectible, left.unlimited) == (7, True, False)
    sent = event(TOKEN, "Transfer(address,address,uint256)", SENDER, OTHER, (7).to_bytes(32))
    assert moved(call(TOKEN, logs=(given, sent))).approvals == ()
    taken = event(TOKEN, signature, SENDER, NOBODY, (7).to_bytes(32))
    assert moved(call(TOKEN, logs=(given, taken))).approvals == ()
    every = "ApprovalForAll(address,address,bool)"
    all_ = event(TOKEN, every, SENDER, ROUTER, data=(1).to_bytes(32))
    (left,) = moved(call(TOKEN, logs=(all_,))).approvals
    assert left.unlimited and left.token_id is None
    none = event(TOKEN, every, SENDER, ROUTER, data=bytes(32))
    assert moved(call(TOKEN, logs=(all_, none))).approvals == ()


def test_chains_are_apart() -> None:
    ledger = Ledger()
    ledger.add(1, call(ROUTER, value=1))
    ledger.add(10, call(ROUTER, value=2))
    changes = ledger.changes()
    assert changes.of(SENDER, Asset(1)) == -1 and changes.of(SENDER, Asset(10)) == -2
