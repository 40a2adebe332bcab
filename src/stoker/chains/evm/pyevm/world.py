"""The state of all chains of a run; py-evm's instructions ask it by py-evm's own names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from stoker.chains.errors import LimitReached
from stoker.chains.evm.pyevm.chain import Chain
from stoker.chains.evm.pyevm.journal import Journal
from stoker.chains.evm.pyevm.source import Source
from stoker.chains.state.change import Delta

if TYPE_CHECKING:
    from stoker.chains.evm.frame import Frame, Log
    from stoker.chains.evm.job import Chains
    from stoker.chains.evm.pyevm.script import Script

NO_CODE = keccak(b"")
ANCESTORS = 256
_PRECOMPILED = frozenset(n.to_bytes(20, "big") for n in range(1, 0x12))
TOLD = 64 << 20
_FRAME = 500
"""Bytes that a call takes whatever its data."""
Mark = tuple[int, int, int]


class World:
    """`chain` is the one that code runs on. `limited`: whether the size of code is."""

    def __init__(
        self, chains: Chains, source: Source, *, following: bool = False, limited: bool = True
    ) -> None:
        """`following`: code runs in the blocks after the pinned ones."""
        self.journal = Journal()
        self.chains = {
            chain_id: Chain(
                pin,
                pin.following() if following else pin,
                chains.deltas.get(chain_id, Delta()),
                source,
            )
            for chain_id, pin in chains.pins.items()
        }
        self.limited = limited
        self.hooks: Script | None = None
        """Steps in where one contract calls another, and may change what is asked and answered."""
        self.logs: list[Log] = []
        """Of the transaction, in order."""
        self.refund = 0
        self.origin = bytes(20)
        self.gas_price = 0
        self._told = 0
        self._selected: dict[str, Chain] = {"": self.chains[chains.home]}
        self.chain = self._selected[""]

    def select(self, chain: Chain) -> None:
        """Code runs on that chain from here on."""
        self.journal.set(self._selected, "", chain)
        self.chain = chain

    def tell(self, frame: Frame) -> None:
        """A call that will be told. Raises `LimitReached` if that is too much in all."""
        self._told += _FRAME + len(frame.input) + len(frame.output)
        for log in frame.logs:
            self._told += _FRAME + len(log.data)
        if self._told > TOLD:
            raise LimitReached(
                f"its calls and their data would be more than {TOLD >> 20} MiB to tell"
            )

    def carry(self, address: bytes, before: Chain, chain: Chain) -> None:
        """An account as it is on one chain, onto another, which need not know of it."""
        if address not in before.base:
            return
        chain.base.setdefault(address, (0, 0, b""))
        for name in ("balances", "nonces", "codes"):
            self.journal.set(getattr(chain, name), address, getattr(before, name)[address])
        self.journal.set(chain.storage, address, {**before.storage.get(address, {})})
        self.journal.set(chain.fresh, address, address in before.fresh)

    # -- what is undone

    def snapshot(self) -> Mark:
        return (self.journal.mark(), len(self.logs), self.refund)

    def revert(self, mark: Mark) -> None:
        changes, logs, self.refund = mark
        self.journal.revert(changes)
        del self.logs[logs:]
        self.chain = self._selected[""]

    # -- the block

    @property
    def coinbase(self) -> bytes:
        return self.chain.block.coinbase

    @property
    def timestamp(self) -> int:
        return self.chain.block.timestamp

    @property
    def block_number(self) -> int:
        return self.chain.block.number

    @property
    def mix_hash(self) -> bytes:
        return self.chain.block.prevrandao

    @property
    def gas_limit(self) -> int:
        return self.chain.block.gas_limit

    @property
    def base_fee(self) -> int:
        return self.chain.block.base_fee

    @property
    def chain_id(self) -> int:
        return self.chain.block.chain_id

    @property
    def execution_context(self) -> World:
        """Where py-evm asks for `chain_id`."""
        return self

    @property
    def blob_base_fee(self) -> int:
        """Exponential in the excess, as EIP-4844 and EIP-7691 say."""
        if self.chain.block.blob_base_fee is not None:
            return self.chain.block.blob_base_fee
        from eth._utils.calculations import fake_exponential
        from eth.vm.forks.prague.constants import BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE

        excess = self.chain.pin.excess_blob_gas
        return int(fake_exponential(1, excess, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE))

    def get_ancestor_hash(self, number: int) -> bytes:
        if not self.block_number - ANCESTORS <= number < self.block_number:
            return b""
        if number > self.chain.pin.number:  # rolled forward: such a block is nowhere
            return b""
        return self.chain.block_hash(number)

    # -- accounts

    def get_balance(self, address: bytes) -> int:
        chain = self.chain
        if address not in chain.base:
            chain.load(address)
        return chain.balances[address]

    def set_balance(self, address: bytes, balance: int) -> None:
        self.get_balance(address)
        self.journal.set(self.chain.balances, address, balance)

    def look_at_balance(self, address: bytes) -> int:
        """As code does, whose way may depend on it."""
        self.chain.seen_balances.add(address)
        return self.get_balance(address)

    def pay(self, sender: bytes, to: bytes, value: int) -> bool:
        """Whether there was enough."""
        chain = self.chain
        have = self.get_balance(sender)
        if have < value:
            chain.seen_balances.add(sender)
            return False
        needed = value - (have - chain.base[sender][0])
        if needed > chain.spent.get(sender, 0):
            chain.spent[sender] = needed
        self.journal.set(chain.balances, sender, have - value)
        self.set_balance(to, self.get_balance(to) + value)
        return True

    def get_nonce(self, address: bytes) -> int:
        chain = self.chain
        if address not in chain.base:
            chain.load(address)
        return chain.nonces[address]

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self.get_nonce(address)
        self.journal.set(self.chain.nonces, address, nonce)

    def get_code(self, address: bytes) -> bytes:
        chain = self.chain
        if address not in chain.base:
            chain.load(address)
        chain.seen_codes.add(address)
        return chain.codes[address]

    def set_code(self, address: bytes, code: bytes) -> None:
        self.get_balance(address)
        self.journal.set(self.chain.codes, address, code)

    def get_code_hash(self, address: bytes) -> bytes:
        code = self.get_code(address)
        return keccak(code) if code else NO_CODE

    def account_is_empty(self, address: bytes) -> bool:
        if self.get_code(address) or self.get_nonce(address):
            return False
        return not self.look_at_balance(address)

    def has_code_or_nonce(self, address: bytes) -> bool:
        return bool(self.get_code(address) or self.get_nonce(address))

    # -- storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        """`from_journal` False: as it was when the transaction began."""
        chain = self.chain
        if not from_journal:
            before = chain.originals.get((address, slot))
            if before is not None:
                return before
        slots = chain.storage.get(address)
        if slots is not None:
            value = slots.get(slot)
            if value is not None:
                return value
        return chain.load_slot(address, slot)

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        chain = self.chain
        chain.originals.setdefault((address, slot), self.get_storage(address, slot))
        self.journal.set(chain.storage.setdefault(address, {}), slot, value)

    def get_transient_storage(self, address: bytes, slot: int) -> int:
        return self.chain.transient.get((address, slot), 0)

    def set_transient_storage(self, address: bytes, slot: int, value: int) -> None:
        self.journal.set(self.chain.transient, (address, slot), value)

    # -- creation and destruction

    def create(self, address: bytes) -> None:
        """A contract begins to exist."""
        chain = self.chain
        self.journal.set(chain.created, address, True)
        self.journal.set(chain.fresh, address, True)
        self.journal.set(chain.storage, address, {})
        self.set_nonce(address, 1)

    def destroy(self) -> None:
        """What destroyed itself in this transaction is gone: at its end."""
        chain = self.chain
        for address in chain.destroyed:
            self.journal.set(chain.storage, address, {})
            self.set_balance(address, 0)
            self.set_nonce(address, 0)
            self.set_code(address, b"")

    # -- what is warm

    def is_address_warm(self, address: bytes) -> bool:
        return address in self.chain.warm or address in _PRECOMPILED

    def mark_address_warm(self, address: bytes) -> None:
        self.journal.set(self.chain.warm, address, True)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self.chain.warm_slots

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        self.journal.set(self.chain.warm_slots, (address, slot), True)

    def begin(self, origin: bytes, warm: tuple[bytes, ...] = ()) -> dict[str, Any]:
        """A transaction begins. Gives what `resume` takes, for one that is within another."""
        chain = self.chain
        names = ("warm", "warm_slots", "transient", "originals", "created", "destroyed")
        before = {name: getattr(chain, name) for name in names}
        before |= {"chain": chain, "origin": self.origin, "refund": self.refund}
        chain.begin()
        self.origin = origin
        self.refund = 0
        for address in (origin, chain.block.coinbase, *warm):
            chain.warm[address] = True
        return before

    def resume(self, before: dict[str, Any]) -> None:
        """The transaction within is over."""
        self.origin = before.pop("origin")
        self.refund = before.pop("refund")
        chain = before.pop("chain")
        for name, value in before.items():
            setattr(chain, name, value)
