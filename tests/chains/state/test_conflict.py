"""What makes a group run again, one rule at a time; `test_serial` has them all at once."""

from __future__ import annotations

import pytest

from stoker.chains.state.change import Access, AccountChange, Delta
from stoker.chains.state.conflict import conflicts, joined
from stoker.chains.state.overlay import merge

A, B = b"a" * 20, b"b" * 20


def change(**fields):
    return Delta({A: AccountChange(**fields)})


@pytest.mark.parametrize(
    ("access", "own", "other", "again"),
    [
        # storage: who looked, and who wrote
        ({"slots": {A: {1}}}, {}, {"storage": {1: 5}}, True),
        ({"slots": {A: {1}}}, {}, {"storage": {2: 5}}, False),
        ({"slots": {B: {1}}}, {}, {"storage": {1: 5}}, False),
        ({}, {"storage": {1: 6}}, {"storage": {1: 5}}, True),
        ({}, {"storage": {2: 6}}, {"storage": {1: 5}}, False),
        # sums commute unless somebody looked
        ({}, {"balance": -1, "nonce": 1}, {"balance": -2, "nonce": 3}, False),
        ({"balances": {A}}, {}, {"balance": 1}, True),
        ({"balances": {A}}, {}, {"nonce": 1}, False),
        ({"nonces": {A}}, {}, {"nonce": 1}, True),
        ({"nonces": {A}}, {}, {"balance": 1}, False),
        # code
        ({"codes": {A}}, {}, {"code": b"x"}, True),
        ({"codes": {A}}, {}, {"storage": {1: 1}}, False),
        ({}, {"code": b"x"}, {"code": b"x"}, True),
        # creation and destruction
        ({}, {"balance": 1}, {"cleared": True}, True),
        ({}, {"cleared": True}, {"balance": 1}, True),
        ({"slots": {A: {9}}}, {}, {"cleared": True}, True),
        ({"codes": {A}}, {}, {"cleared": True}, True),
        ({"spent": {A: 1}}, {}, {"cleared": True}, True),
        ({"slots": {B: {9}}}, {}, {"cleared": True}, False),
    ],
)
def test_rules(access, own, other, again):
    found = conflicts(
        Access(**access), change(**own) if own else Delta(), {3: change(**other)}, {A: 9}
    )
    assert found == ({3} if again else set())


@pytest.mark.parametrize(
    ("moved", "least", "again"),
    [
        ({1: -4}, 6, set()),
        ({1: -4}, 7, {1}),
        ({1: -2, 2: -3}, 6, {1, 2}),
        # a later group may see this one without the one that paid in
        ({1: -5, 2: 5}, 6, {1, 2}),
        ({1: 5}, 10, set()),
    ],
)
def test_what_was_spent_must_still_be_there(moved, least, again):
    others = {group: change(balance=balance) for group, balance in moved.items()}
    assert conflicts(Access(spent={A: least}), Delta(), others, {A: 10}) == again


def test_what_ran_one_after_the_other_is_one_group_in_the_end():
    first = Access(slots={A: {1}}, balances={B}, spent={A: 5, B: 1})
    second = Access(slots={A: {2}, B: {1}}, nonces={A}, codes={B}, spent={A: 4, B: 3})
    access, delta = joined(
        [(first, change(balance=-5, storage={1: 1})), (second, change(balance=-4, storage={2: 2}))]
    )
    assert access == Access(
        slots={A: {1, 2}, B: {1}}, balances={B}, nonces={A}, codes={B}, spent={A: 9, B: 3}
    )
    assert delta == change(balance=-9, storage={1: 1, 2: 2})


def test_what_is_created_by_the_first_was_nobodys_to_spend_before():
    created = change(balance=7, nonce=1, code=b"x", cleared=True)
    access, _ = joined([(Access(), created), (Access(spent={A: 7}), change(balance=-7))])
    assert access.spent == {}


def test_changes_are_put_together_in_their_order_and_left_as_they_are():
    first = change(balance=1, nonce=1, code=b"x", storage={1: 1, 2: 2})
    second = change(balance=2, nonce=1, storage={2: 3, 4: 0})
    gone = change(balance=5, storage={9: 9}, cleared=True)
    assert merge([]) == Delta()
    assert merge([first, second]) == change(
        balance=3, nonce=2, code=b"x", storage={1: 1, 2: 3, 4: 0}
    )
    assert first == change(balance=1, nonce=1, code=b"x", storage={1: 1, 2: 2})
    assert merge([first, second, gone]) == gone
    assert merge([gone, second]) == change(
        balance=7, nonce=1, storage={9: 9, 2: 3, 4: 0}, cleared=True
    )
