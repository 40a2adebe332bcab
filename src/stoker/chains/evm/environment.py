"""The block that code sees."""

from __future__ import annotations

from msgspec import Struct


class Pin(Struct, frozen=True, kw_only=True):
    """A block of a chain, whose state is what a plan begins from. Capture runs in it, replay in
    the one that would follow."""

    chain_id: int
    number: int
    hash: bytes
    timestamp: int
    """Unix seconds."""
    base_fee: int
    """Wei per gas."""
    gas_limit: int
    coinbase: bytes
    prevrandao: bytes
    excess_blob_gas: int = 0

    def following(self) -> Pin:
        """The estimate of the next block: 12 s later, with the same base fee. Its `hash` is this
        one's, for it has none yet."""
        return Pin(
            chain_id=self.chain_id,
            number=self.number + 1,
            hash=self.hash,
            timestamp=self.timestamp + 12,
            base_fee=self.base_fee,
            gas_limit=self.gas_limit,
            coinbase=self.coinbase,
            prevrandao=self.prevrandao,
            excess_blob_gas=self.excess_blob_gas,
        )
