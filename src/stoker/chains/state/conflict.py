"""Whether a group that did not see what others have done meanwhile would have gone another way if
it had. The order of commits is the serial order that all of this comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from stoker.chains.state.change import Access, AccountChange, Delta
from stoker.chains.state.overlay import merge

_NONE: Final = AccountChange()


def conflicts(
    access: Access, own: Delta, others: Mapping[int, Delta], balances: Mapping[bytes, int]
) -> frozenset[int]:
    """Which of `others`, that were committed unseen on the same chain, it has to run again after;
    none: it would have gone the same way.

    `balances`: what each account of `access.spent` had where it ran, wei."""
    found = {group for group, other in others.items() if _looked_at(access, own, other)}
    for address, least in access.spent.items():
        moved = {
            group: change.balance
            for group, other in others.items()
            if (change := other.accounts.get(address)) is not None and change.balance
        }
        # Income counts for nothing: who sees this group need not see those that the income is of.
        if balances[address] + sum(min(0, change) for change in moved.values()) < least:
            found |= moved.keys()
    return frozenset(found)


def joined(steps: Sequence[tuple[Access, Delta]]) -> tuple[Access, Delta]:
    """Several that ran one after the other, each on what those before it had done, as one."""
    slots: dict[bytes, set[int]] = {}
    spent: dict[bytes, int] = {}
    done = Delta()
    for access, delta in steps:
        for address, several in access.slots.items():
            slots[address] = slots.get(address, set()) | several
        for address, least in access.spent.items():
            before = done.accounts.get(address, _NONE)
            if not before.cleared:
                spent[address] = max(spent.get(address, 0), least - before.balance)
        done = merge([done, delta])
    return Access(
        slots=slots,
        balances=set().union(*(access.balances for access, _ in steps)),
        nonces=set().union(*(access.nonces for access, _ in steps)),
        codes=set().union(*(access.codes for access, _ in steps)),
        spent=spent,
    ), done


def _looked_at(access: Access, own: Delta, other: Delta) -> bool:
    """Whether it looked at something that the other has changed. Who writes a slot looks at it,
    for its price; who creates or destroys an account takes it as it was."""
    for address, theirs in other.accounts.items():
        mine = own.accounts.get(address)
        slots = access.slots.get(address, set())
        if theirs.cleared or (mine is not None and mine.cleared):
            if (
                mine is not None
                or slots
                or address in access.balances | access.nonces | access.codes
                or address in access.spent
            ):
                return True
            continue
        if (
            (theirs.balance and address in access.balances)
            or (theirs.nonce and address in access.nonces)
            or (theirs.code is not None and address in access.codes)
            or not slots.isdisjoint(theirs.storage)
        ):
            return True
        if mine is not None and (
            (theirs.code is not None and mine.code is not None)
            or not mine.storage.keys().isdisjoint(theirs.storage)
        ):
            return True
    return False
