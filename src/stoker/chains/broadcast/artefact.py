"""What forge writes of a script's transactions, field for field, and in forge's order."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field


class Request(Struct, frozen=True, kw_only=True, rename="camel"):
    """A transaction as a node takes it; numbers in hexadecimal, addresses in lower case."""

    from_: str = field(name="from")
    to: str | None
    gas: str | None = None
    """None: the node is to estimate it."""
    value: str = "0x0"
    """forge leaves it out where it deploys a library."""
    input: str
    nonce: str
    chain_id: str


class Additional(Struct, frozen=True, kw_only=True, rename="camel"):
    """A contract that a transaction creates beside its own."""

    transaction_type: Literal["CREATE", "CREATE2"]
    contract_name: str | None
    address: str
    init_code: str


class Transaction(Struct, frozen=True, kw_only=True, rename="camel"):
    hash: str | None = None
    """None: not sent."""
    transaction_type: Literal["CALL", "CREATE", "CREATE2"]
    contract_name: str | None
    contract_address: str | None
    """Who is called, or what is created."""
    function: str | None
    arguments: tuple[str, ...] | None
    transaction: Request
    additional_contracts: tuple[Additional, ...] = ()
    is_fixed_gas_limit: bool = False
    """Whether the script itself says how much gas."""


class Returned(Struct, frozen=True):
    internal_type: str
    value: str


class Sequence(Struct, frozen=True, kw_only=True):
    """Those of one chain that follow each other."""

    transactions: tuple[Transaction, ...]
    receipts: tuple[dict[str, Any], ...] = ()
    libraries: tuple[str, ...] = ()
    """`file:Name:address` each."""
    pending: tuple[str, ...] = ()
    """Hashes of what was sent, and not seen in a block yet."""
    returns: dict[str, Returned] = field(default_factory=dict)
    timestamp: int
    """Milliseconds since 1970."""
    chain: int
    commit: str | None = None


class MultiChain(Struct, frozen=True, kw_only=True):
    """Those of several."""

    deployments: tuple[Sequence, ...]
    timestamp: int
