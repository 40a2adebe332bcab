"""What the groups of a plan have done, in the order of their commits, and the nonces that their
transactions have among those of other groups."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from stoker.chains.evm.job import Captured, Pin
from stoker.chains.state.change import Access, Delta
from stoker.chains.state.overlay import merge_chains

_VIEWS: Final = 8
"""Merged states that are kept, for groups that come after those of others."""


class Committed(Struct, frozen=True, kw_only=True):
    """A group's effects are the plan's. In the step's outputs, and enough to have them again
    after a restart."""

    index: int
    after: tuple[int, ...]
    """The groups whose effects it saw."""
    pins: dict[int, Pin]
    state: str
    """Path of the file with what it changed and looked at."""
    digest: str
    """SHA-256 of that."""
    position: int = 0
    """How many commits of the plan came before: groups' transactions are sent in this order."""
    transactions: tuple[Captured, ...] = ()
    """With the nonces that they have behind the groups committed before."""


class Conflict(Struct, frozen=True):
    """A group has looked at what these have changed meanwhile: it is to run again, after them."""

    groups: tuple[int, ...]


class State(Struct, frozen=True, kw_only=True):
    """What a group did, as its file has it: JSON, for numbers have up to 256 bits."""

    index: int
    position: int
    """How many commits of the plan came before."""
    after: tuple[int, ...]
    """Groups it saw, and with them those that they had seen."""
    pins: dict[int, Pin]
    deltas: dict[int, Delta]
    transactions: tuple[Captured, ...]


class Commits:
    """Of one plan. Groups are known by their index."""

    def __init__(self) -> None:
        self._states: dict[int, State] = {}
        self._changing: dict[tuple[int, bytes], dict[int, None]] = {}
        """By chain and account: who changed it."""
        self._views: OrderedDict[tuple[int, ...], dict[int, Delta]] = OrderedDict()

    def __contains__(self, index: int) -> bool:
        return index in self._states

    def __iter__(self) -> Iterator[State]:
        """In their order."""
        return iter(self._states.values())

    def add(self, state: State) -> None:
        """The last."""
        self._states[state.index] = state
        for key in _changed(state):
            self._changing.setdefault(key, {})[state.index] = None

    def remove(self, index: int) -> None:
        """As if it had never been. Costs what it did."""
        for key in _changed(self._states.pop(index)):
            groups = self._changing[key]
            del groups[index]
            if not groups:
                del self._changing[key]
        for view in [view for view in self._views if index in view]:
            del self._views[view]

    def since(self, position: int) -> list[int]:
        """Groups from there on, the last first."""
        found = []
        for state in reversed(self._states.values()):
            if state.position < position:
                break
            found.append(state.index)
        return found

    def closure(self, after: Collection[int]) -> set[int]:
        """These groups and all that they came after, as far as they have done anything."""
        found: set[int] = set()
        waiting = list(after)
        while waiting:
            index = waiting.pop()
            if index not in found and index in self._states:
                found.add(index)
                waiting.extend(self._states[index].after)
        return found

    def merged(self, groups: Collection[int]) -> dict[int, Delta]:
        """What these have done in all, by chain; made out of what was merged last, if that is how
        they begin."""
        order = tuple(sorted(groups, key=lambda index: self._states[index].position))
        known = next(
            (
                n
                for n in range(len(order), max(0, len(order) - _VIEWS), -1)
                if order[:n] in self._views
            ),
            0,
        )
        rest = (self._states[one].deltas for one in order[known:])
        merged = merge_chains([self._views.get(order[:known], {}), *rest])
        self._views[order] = merged
        self._views.move_to_end(order)
        if len(self._views) > _VIEWS:
            self._views.popitem(last=False)
        return merged

    def others(
        self, chain_id: int, access: Access, own: Delta, seen: Collection[int]
    ) -> dict[int, Delta]:
        """What groups that were not seen have done to the accounts of a chain that somebody
        looked at or changed."""
        found: dict[int, Delta] = {}
        touched = {
            *own.accounts, *access.slots, *access.balances, *access.nonces, *access.codes,
            *access.spent,
        }  # fmt: skip
        for address in touched:
            for index in self._changing.get((chain_id, address), ()):
                if index not in seen:
                    changes = self._states[index].deltas[chain_id].accounts
                    found.setdefault(index, Delta()).accounts[address] = changes[address]
        return found

    def transactions(self, groups: Iterable[int]) -> list[Captured]:
        """All of theirs."""
        return [one for index in groups for one in self._states[index].transactions]


def _changed(state: State) -> Iterator[tuple[int, bytes]]:
    for chain_id, delta in state.deltas.items():
        for address in delta.accounts:
            yield chain_id, address


_Sender = tuple[int, bytes]


def renumbered(
    transactions: Sequence[Captured],
    accesses: Mapping[int, Access],
    *,
    seen: Iterable[Captured],
    unseen: Iterable[Captured],
) -> tuple[Captured, ...]:
    """A group's transactions behind those it saw, with the first nonces of their senders that no
    others have. Where something rests on a sender's nonce it stays: nobody's are in its way, or
    the group would run again."""
    taken = _nonces(unseen)
    following = {sender: max(nonces) + 1 for sender, nonces in _nonces(seen).items()}
    found: list[Captured] = []
    for one in transactions:
        sender = (one.chain_id, one.from_)
        access = accesses.get(one.chain_id)
        if access is not None and one.from_ in access.nonces:
            found.append(one)
            continue
        nonce = following.get(sender, one.nonce)
        while nonce in taken.get(sender, ()):
            nonce += 1
        following[sender] = nonce + 1
        found.append(replace(one, nonce=nonce))
    return tuple(found)


def _nonces(transactions: Iterable[Captured]) -> dict[_Sender, set[int]]:
    found: dict[_Sender, set[int]] = {}
    for one in transactions:
        found.setdefault((one.chain_id, one.from_), set()).add(one.nonce)
    return found
