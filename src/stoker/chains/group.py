"""What a group is asked to do and what comes of it: the formats that other tools speak."""

from __future__ import annotations

from msgspec import Struct, field


class Contract(Struct, frozen=True, forbid_unknown_fields=True):
    """A contract that a group names. Read from `[chain_id, address, name]` too, the id as number
    or text: see `stoker.chains.reading`."""

    chain_id: int
    address: str
    """With its checksum (EIP-55)."""
    name: str


class Amount(Struct, frozen=True, forbid_unknown_fields=True):
    """So much of something on a chain."""

    chain_id: int
    amount: int
    """In the smallest unit (wei)."""
    token: str | None = None
    """Address of an ERC-20; None: the chain's own coin."""


class Bridge(Struct, frozen=True, forbid_unknown_fields=True):
    """A pair of effects that the plan relays: what `locked` says leaves the sender for `lockbox` on
    one chain, `minted` comes to `recipient` on the other."""

    locked: Amount
    lockbox: str
    minted: Amount
    recipient: str
    minter: str | None = None
    """Who may mint on the other chain: `mint(recipient, amount)` is simulated from it. None: the
    token moves from the lockbox of that chain's own, or the coin is credited."""


class Assertion(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold on the plan's state once the group is done."""

    chain_id: int
    account: str
    token: str | None = None
    """Balance of this ERC-20; None and no `slot`: of the coin."""
    slot: str | None = None
    """The account's storage at this slot, `0x..`, instead of a balance."""
    equals: int | None = None
    at_least: int | None = None
    at_most: int | None = None


class OperationGroup(Struct, frozen=True, forbid_unknown_fields=True):
    """Operations that are carried out together. What follows `contracts` is Stoker's own, and may
    be left out."""

    description: str
    operations: tuple[str, ...]
    dependencies: tuple[int, ...] = ()
    """Indices of groups of the same plan."""
    contracts: tuple[Contract, ...] = ()
    script: str | None = None
    """Solidity with a contract that has `run()`: no model is asked then."""
    chain: int | None = None
    """Where the script begins; default: the chain of the first contract, else the settings' first.
    """
    sender: str | None = None
    """Who signs; default: the settings'."""
    funds: tuple[Amount, ...] = ()
    """Dealt to the sender while the script is captured; never when it is replayed."""
    spends: tuple[Amount, ...] | None = None
    """What the sender may lose, gas aside; None: not said, and so not checked."""
    atomic: bool = False
    """The transactions of all its chains, or none."""
    bridges: tuple[Bridge, ...] = ()
    assertions: tuple[Assertion, ...] = ()


def counted(groups: int) -> str:
    """So many groups, in words."""
    return "1 group" if groups == 1 else f"{groups} groups"


class TransactionData(Struct, frozen=True, rename={"from_": "from"}, omit_defaults=True):
    """A transaction to sign."""

    value: str
    """Hexadecimal, wei."""
    data: str
    rpc_url: str
    from_: str | None = None
    to: str | None = None
    """None: it creates a contract."""


class Done(Struct, frozen=True):
    transactions: tuple[TransactionData, ...]
    generated_code: str


class Failed(Struct, frozen=True):
    error: str
    generated_code: str
    transactions: tuple[TransactionData, ...]
    """Those that were captured; they are not to be sent."""


class Inner(Struct, frozen=True, omit_defaults=True):
    """One of the two; in JSON its key says which: `{"Done": {...}}`."""

    done: Done | None = field(default=None, name="Done")
    failed: Failed | None = field(default=None, name="Failed")


class GroupResult(Struct, frozen=True):
    """What came of a group."""

    group_index: int
    description: str
    operations: tuple[str, ...]
    inner: Inner


class GroupReceipt(Struct, frozen=True):
    """A group has begun; its result comes later."""

    execution_id: str
    node_id: str
    description: str
    ops_count: int


class ExecutionPlan(Struct, frozen=True):
    """The answer of `set_execution_plan`."""

    success: bool
    message: str
    total_groups: int
    plan_id: str


class Batch(Struct, frozen=True):
    """What `next_groups` answers that waits."""

    results: tuple[GroupResult, ...]
    remaining_groups: int
    """Groups that are not over."""
