"""A block as a node tells of it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from stoker.chains.evm.environment import Pin
from stoker.chains.hexadecimal import data, quantity


class _Header(Struct, rename="camel"):
    number: str
    hash: str
    timestamp: str
    gas_limit: str
    miner: str
    base_fee_per_gas: str | None = None
    mix_hash: str | None = None
    excess_blob_gas: str | None = None


def read_hash(result: Any) -> bytes:
    """The hash of a block. Raises `ValueError`, `msgspec.ValidationError`."""
    return data(msgspec.convert(result, _Header).hash, 32)


def read_pin(result: Any) -> Pin | None:
    """A block as a pin, whose chain is filled in by who asks; None: there is none."""
    header = msgspec.convert(result, _Header | None)
    if header is None:
        return None
    return Pin(
        chain_id=0,
        number=quantity(header.number, 63),
        hash=data(header.hash, 32),
        timestamp=quantity(header.timestamp, 63),
        base_fee=quantity(header.base_fee_per_gas or "0x0"),
        gas_limit=quantity(header.gas_limit, 63),
        coinbase=data(header.miner, 20),
        prevrandao=data(header.mix_hash or f"0x{bytes(32).hex()}", 32),
        excess_blob_gas=quantity(header.excess_blob_gas or "0x0", 64),
    )
