"""What transactions that a node traces have made of a chain, one after the other: the node is told
it anew with each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from stoker.chains.evm.job import Pin
from stoker.chains.evm.traced import Difference
from stoker.chains.hexadecimal import data, quantity, text, word
from stoker.chains.state.change import AccountChange, Delta
from stoker.chains.state.overlay import Overlay, then
from stoker.chains.state.remote import Remote
from stoker.chains.state.told import TracedAccount

_UNCHANGED: Final = AccountChange()
_NOTHING: Final = TracedAccount()


class Overrides:
    """Of one chain. `delta` is what came about since `prepare`."""

    def __init__(self, remote: Remote, pin: Pin, before: Delta) -> None:
        self._changes = dict(before.accounts)
        self._state = Overlay(remote, pin, Delta(self._changes))
        self._overrides: dict[str, dict[str, Any]] = {}
        self.delta = Delta()

    async def prepare(self) -> None:
        """Raises `RpcError`."""
        addresses = list(self._changes)
        accounts = await self._state.accounts(addresses)
        for address, account in zip(addresses, accounts, strict=True):
            change = self._changes[address]
            told: dict[str, Any] = {"balance": hex(account.balance), "nonce": hex(account.nonce)}
            if change.code is not None or change.cleared:
                told["code"] = text(account.code)
            self._overrides[text(address)] = told | _storage(change)

    def told(self) -> Mapping[str, Any]:
        """As `debug_traceCall` takes them."""
        return self._overrides

    async def nonce(self, address: bytes) -> int:
        """Raises `RpcError`."""
        (account,) = await self._state.accounts([address])
        return account.nonce

    async def codes(self, addresses: list[bytes]) -> dict[bytes, bytes]:
        """Of those that exist. Raises `RpcError`."""
        accounts = await self._state.accounts(addresses)
        return {where: one.code for where, one in zip(addresses, accounts, strict=True)}

    def apply(self, difference: Difference) -> dict[bytes, dict[int, tuple[int, int]]]:
        """What a transaction did; returns the slots, as they were and as they are."""
        changed = {}
        for name in difference.pre.keys() | difference.post.keys():
            address = data(name, 20)
            before = difference.pre.get(name, _NOTHING)
            after = difference.post.get(name)
            slots = self._account(address, before, after)
            if slots:
                changed[address] = slots
        return changed

    def _account(
        self, address: bytes, before: TracedAccount, after: TracedAccount | None
    ) -> dict[int, tuple[int, int]]:
        had = before.slots()
        if after is None:  # it has destroyed itself
            change = AccountChange(code=b"", cleared=True)
            slots = {slot: (value, 0) for slot, value in had.items() if value}
            self._note(address, change)
            self._overrides[text(address)] = {"balance": "0x0", "nonce": "0x0", "code": "0x"} | (
                _storage(change)
            )
            return slots
        has = after.slots()
        # a slot that became zero is told before, and left out after
        slots = {
            slot: (had.get(slot, 0), has.get(slot, 0))
            for slot in had.keys() | has.keys()
            if had.get(slot, 0) != has.get(slot, 0)
        }
        told = self._overrides.setdefault(text(address), {})
        balance = nonce = 0
        if after.balance is not None:
            told["balance"] = after.balance
            balance = quantity(after.balance) - quantity(before.balance or "0x0")
        if after.nonce is not None:
            told["nonce"] = hex(after.sent())
            nonce = after.sent() - before.sent()
        code = None
        if after.code is not None:
            told["code"] = after.code
            code = data(after.code)
        self._note(
            address,
            AccountChange(
                balance=balance,
                nonce=nonce,
                code=code,
                storage={slot: value for slot, (_, value) in slots.items()},
            ),
        )
        told |= _storage(self._changes[address])
        return slots

    def _note(self, address: bytes, change: AccountChange) -> None:
        for changes in (self._changes, self.delta.accounts):
            changes[address] = then(changes.get(address, _UNCHANGED), change)


def _storage(change: AccountChange) -> dict[str, Any]:
    slots = {word(slot): word(value) for slot, value in change.storage.items()}
    if change.cleared:
        return {"state": slots}
    return {"stateDiff": slots} if slots else {}
