"""One chain, as the worker has it: what is read of the pinned state, and what became of it."""

from __future__ import annotations

from msgspec import Struct

from stoker.chains.evm.job import Pin
from stoker.chains.evm.pyevm.source import Source
from stoker.chains.state.change import Access, AccountChange, Delta

Key = tuple[bytes, int]
EMPTY_CHANGE = AccountChange()


class Block(Struct):
    """The block that code sees; cheatcodes change it."""

    chain_id: int
    number: int
    timestamp: int
    base_fee: int
    gas_limit: int
    coinbase: bytes
    prevrandao: bytes
    blob_base_fee: int | None = None
    """None: as the excess says."""


class Chain:
    """Plain mappings; whoever changes one does so through the world's journal.

    `base` and `base_slots` are what was found: the pinned state under what the groups before have
    done. The rest begins as that and changes."""

    __slots__ = (
        "_delta",
        "_source",
        "balances",
        "base",
        "base_slots",
        "block",
        "codes",
        "created",
        "destroyed",
        "fork",
        "fresh",
        "nonces",
        "originals",
        "pin",
        "seen_balances",
        "seen_codes",
        "seen_nonces",
        "spent",
        "storage",
        "transient",
        "warm",
        "warm_slots",
    )

    def __init__(self, pin: Pin, block: Pin, delta: Delta, source: Source) -> None:
        """`pin`: whose state it is; `block`: in which code runs."""
        self.pin = pin
        self.block = Block(
            chain_id=block.chain_id,
            number=block.number,
            timestamp=block.timestamp,
            base_fee=block.base_fee,
            gas_limit=block.gas_limit,
            coinbase=block.coinbase,
            prevrandao=block.prevrandao,
        )
        self.fork = 0
        self._delta = delta.accounts
        self._source = source
        self.base: dict[bytes, tuple[int, int, bytes]] = {}
        self.base_slots: dict[bytes, dict[int, int]] = {}
        self.balances: dict[bytes, int] = {}
        self.nonces: dict[bytes, int] = {}
        self.codes: dict[bytes, bytes] = {}
        self.storage: dict[bytes, dict[int, int]] = {}
        self.fresh: dict[bytes, bool] = {}
        """Accounts that were created, whose storage is all here."""
        self.seen_balances: set[bytes] = set()
        self.seen_nonces: set[bytes] = set()
        self.seen_codes: set[bytes] = set()
        self.spent: dict[bytes, int] = {}
        self.begin()

    def begin(self) -> None:
        """A transaction: what is kept only during one starts empty."""
        self.warm: dict[bytes, bool] = {}
        self.warm_slots: dict[Key, bool] = {}
        self.transient: dict[Key, int] = {}
        self.originals: dict[Key, int] = {}
        self.created: dict[bytes, bool] = {}
        self.destroyed: dict[bytes, bool] = {}

    def invent(self, address: bytes, balance: int = 0, code: bytes = b"") -> None:
        """An account that only a script knows, so that nobody need be asked for it."""
        self.base[address] = (0, 0, b"")
        self.balances[address], self.nonces[address], self.codes[address] = balance, 0, code
        self.fresh[address] = True

    def load(self, address: bytes) -> None:
        """Have an account's balance, nonce and code."""
        change = self._delta.get(address, EMPTY_CHANGE)
        balance, nonce, code = (
            (0, 0, b"") if change.cleared else self._source.account(self.pin, address)
        )
        balance += change.balance
        nonce += change.nonce
        if change.code is not None:
            code = change.code
        self.base[address] = (balance, nonce, code)
        # Persistent accounts and dealt ones may have been set before they were looked at.
        self.balances.setdefault(address, balance)
        self.nonces.setdefault(address, nonce)
        self.codes.setdefault(address, code)

    def load_slot(self, address: bytes, slot: int) -> int:
        """A slot that is not at hand."""
        if address in self.fresh:
            return 0
        found = self.base_slots.setdefault(address, {})
        if slot not in found:
            change = self._delta.get(address, EMPTY_CHANGE)
            value = change.storage.get(slot)
            if value is None:
                value = 0 if change.cleared else self._source.slot(self.pin, address, slot)
            found[slot] = value
        return found[slot]

    def block_hash(self, number: int) -> bytes:
        return self._source.block_hash(self.pin, number)

    def delta(self) -> Delta:
        """What is different from what was found."""
        accounts: dict[bytes, AccountChange] = {}
        for address, (balance, nonce, code) in self.base.items():
            before = self.base_slots.get(address, {})
            change = AccountChange(
                balance=self.balances[address] - balance,
                nonce=self.nonces[address] - nonce,
                code=self.codes[address] if self.codes[address] != code else None,
                storage={
                    slot: value
                    for slot, value in self.storage.get(address, {}).items()
                    if value != before.get(slot, 0)
                },
            )
            if change != EMPTY_CHANGE:
                accounts[address] = change
        return Delta(accounts)

    def access(self) -> Access:
        return Access(
            slots={address: set(slots) for address, slots in self.base_slots.items()},
            balances=self.seen_balances,
            nonces=self.seen_nonces,
            codes=self.seen_codes,
            spent=self.spent,
        )
