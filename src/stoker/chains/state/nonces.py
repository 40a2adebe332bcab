"""The nonces that transactions have once they are among those of other groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from stoker.chains.evm.job import Captured
from stoker.chains.state.change import Access

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
