"""What an execution did to the state of a chain, and what it saw of it."""

from __future__ import annotations

from msgspec import Struct, field

Slots = dict[int, int]


class AccountChange(Struct, frozen=True, kw_only=True):
    """What is different about an account. None: as before."""

    balance: int = 0
    """By how much it changed, wei: sums commute, so that groups of one wallet need not wait for
    each other."""
    nonce: int = 0
    """By how much it advanced."""
    code: bytes | None = None
    storage: Slots = field(default_factory=dict)
    cleared: bool = False
    """Created anew or destroyed: nothing of the storage before it counts, and `balance` and
    `nonce` start from nothing."""


class Delta(Struct, frozen=True):
    """Changes of one chain, by address."""

    accounts: dict[bytes, AccountChange] = field(default_factory=dict)


class Access(Struct, frozen=True):
    """What was looked at on one chain, and so must not have been changed by somebody whom the
    looker did not see."""

    slots: dict[bytes, set[int]] = field(default_factory=dict)
    balances: set[bytes] = field(default_factory=set)
    """Accounts whose balance code asked for, not only paid from."""
    nonces: set[bytes] = field(default_factory=set)
    """Accounts on whose nonce something rests: an address of what was created."""
    codes: set[bytes] = field(default_factory=set)
    spent: dict[bytes, int] = field(default_factory=dict)
    """Account -> the least balance, wei, with which it would have gone the same way."""


class Override(Struct, frozen=True, kw_only=True):
    """How an account is to look while a node traces a call. None: as it is. A script is traced in
    one go where its code is put to its sender's address, and something that returns zeros to the
    cheatcodes'."""

    balance: int | None = None
    nonce: int | None = None
    code: bytes | None = None
    storage: Slots = field(default_factory=dict)
    """These slots; the others as they are."""
