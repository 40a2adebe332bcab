"""What a node tells of blocks, and of the state that a call touches: geth's prestateTracer and
access lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.chains.evm.job import Pin
from stoker.chains.hexadecimal import data, quantity, text, word
from stoker.chains.state.change import Override
from stoker.chains.state.store import Key, RemoteAccount, Value

_NOTHING: Final = Override()


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


Call = tuple[bytes, bytes | None, int, bytes]
"""From, to (None: a creation), value in wei, data."""


class TracedAccount(Struct):
    """Of a prestateTracer. None: not told, and so, in a difference, as it was."""

    balance: str | None = None
    nonce: int | str | None = None
    code: str | None = None
    storage: dict[str, str] | None = None

    def slots(self) -> dict[int, int]:
        return {quantity(slot): quantity(value) for slot, value in (self.storage or {}).items()}

    def sent(self) -> int:
        """Its nonce. geth writes it as a number, others as a quantity."""
        told = hex(self.nonce) if isinstance(self.nonce, int) else self.nonce or "0x0"
        return quantity(told, 64)


class _Entry(Struct, rename="camel"):
    address: str
    storage_keys: list[str] | None = None


class _Listed(Struct, rename="camel"):
    access_list: list[_Entry]


def call_object(call: Call) -> dict[str, str]:
    """A call as `eth_call` takes it."""
    from_, to, value, payload = call
    told = {"from": text(from_), "value": hex(value), "data": text(payload)}
    if to is not None:
        told["to"] = text(to)
    return told


def tracer_options(overrides: Mapping[bytes, Override]) -> dict[str, Any]:
    """The third parameter of `debug_traceCall`."""
    return {
        "tracer": "prestateTracer",
        "stateOverrides": {text(one): _override(overrides[one]) for one in overrides},
    }


def _override(wanted: Override) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if wanted.balance is not None:
        told["balance"] = hex(wanted.balance)
    if wanted.nonce is not None:
        told["nonce"] = hex(wanted.nonce)
    if wanted.code is not None:
        told["code"] = text(wanted.code)
    if wanted.storage:
        told["stateDiff"] = {word(slot): word(value) for slot, value in wanted.storage.items()}
    return told


def read_prestate(result: Any, call: Call, overrides: Mapping[bytes, Override]) -> dict[Key, Value]:
    """Accounts and slots out of a prestateTracer's answer. Raises `ValueError` or
    `msgspec.ValidationError`.

    Left out are what was overridden, for it is told back as if it were the state's, and the
    caller's own account, of which some nodes tell what it is after it has paid. A slot that is
    not there may be zero or not looked at: nothing is made of that."""
    found: dict[Key, Value] = {}
    for name, told in msgspec.convert(result, dict[str, TracedAccount]).items():
        address = data(name, 20)
        other = overrides.get(address, _NOTHING)
        as_it_is = other.balance is None and other.nonce is None and other.code is None
        if as_it_is and address != call[0]:
            found[address] = RemoteAccount(
                quantity(told.balance or "0x0"), told.sent(), data(told.code or "0x")
            )
        found |= {
            (address, slot): value
            for slot, value in told.slots().items()
            if slot not in other.storage
        }
    return found


def read_access_list(result: Any) -> list[Key]:
    """Which accounts and slots `eth_createAccessList` names. Raises as `read_prestate`."""
    found: list[Key] = []
    for entry in msgspec.convert(result, _Listed).access_list:
        address = data(entry.address, 20)
        found.append(address)
        found.extend((address, quantity(slot)) for slot in entry.storage_keys or ())
    return found
