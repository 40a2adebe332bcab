"""Changes over the state of chains: put together, and read through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from stoker.chains.evm.job import Chains, Pin
from stoker.chains.state.change import AccountChange, Delta
from stoker.chains.state.remote import Remote
from stoker.chains.state.store import RemoteAccount

_NONE: Final = AccountChange()


def merge(deltas: Iterable[Delta]) -> Delta:
    """One change that does what these do in their order. What is given stays as it is; what only
    one of them has is shared with it."""
    first, *others = [*deltas, Delta()]
    accounts = dict(first.accounts)
    for delta in others:
        for address, change in delta.accounts.items():
            before = accounts.get(address)
            accounts[address] = change if before is None else then(before, change)
    return Delta(accounts)


def then(before: AccountChange, after: AccountChange) -> AccountChange:
    """One change that does what the two do."""
    if after.cleared:
        return after
    return AccountChange(
        balance=before.balance + after.balance,
        nonce=before.nonce + after.nonce,
        code=before.code if after.code is None else after.code,
        storage=before.storage | after.storage if after.storage else before.storage,
        cleared=before.cleared,
    )


def merge_chains(deltas: Iterable[Mapping[int, Delta]]) -> dict[int, Delta]:
    """As `merge`, of each chain by its id."""
    found: dict[int, list[Delta]] = {}
    for one in deltas:
        for chain_id, delta in one.items():
            found.setdefault(chain_id, []).append(delta)
    return {chain_id: merge(several) for chain_id, several in found.items()}


def extended(chains: Chains, deltas: Mapping[int, Delta]) -> Chains:
    """The chains with further changes."""
    return msgspec.structs.replace(chains, deltas=merge_chains([chains.deltas, deltas]))


class Overlay:
    """The state of one chain with changes over it."""

    def __init__(self, remote: Remote, pin: Pin, delta: Delta) -> None:
        self._remote, self._pin, self._accounts = remote, pin, delta.accounts

    async def accounts(self, addresses: Sequence[bytes]) -> list[RemoteAccount]:
        """In the order asked for. Raises `RpcError`."""
        unknown = [one for one in addresses if not self._accounts.get(one, _NONE).cleared]
        found = dict(zip(unknown, await self._remote.accounts(self._pin, unknown), strict=True))
        told = []
        for address in addresses:
            change, before = self._accounts.get(address, _NONE), found.get(address)
            told.append(
                RemoteAccount(
                    (before.balance if before else 0) + change.balance,
                    (before.nonce if before else 0) + change.nonce,
                    (before.code if before else b"") if change.code is None else change.code,
                )
            )
        return told

    async def slot(self, address: bytes, slot: int) -> int:
        """The value there. Raises `RpcError`."""
        change = self._accounts.get(address, _NONE)
        if slot in change.storage or change.cleared:
            return change.storage.get(slot, 0)
        (value,) = await self._remote.slots(self._pin, [(address, slot)])
        return value
