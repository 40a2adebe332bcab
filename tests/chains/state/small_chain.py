"""A chain of a few accounts, and groups that do a few things to it: the model that the state of
plans is held against. Whatever it does, it does to a copy, one group after the other."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from stoker.chains.evm.job import Captured, Pin, Replay
from stoker.chains.state.change import Access, AccountChange, Delta
from stoker.chains.state.store import RemoteAccount

PIN = Pin(
    chain_id=1,
    number=7,
    hash=bytes(31) + b"\x07",
    timestamp=1_700_000_000,
    base_fee=1,
    gas_limit=30_000_000,
    coinbase=bytes(20),
    prevrandao=bytes(32),
)
ACCOUNTS = [bytes(19) + bytes([n]) for n in range(1, 4)]
Op = tuple[object, ...]


@dataclass
class Account:
    balance: int = 0
    nonce: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)


World = dict[bytes, Account]


def base() -> World:
    return {one: Account(10, 0, b"", {0: n}) for n, one in enumerate(ACCOUNTS)}


class Pinned:
    """`base()`, as what plans read."""

    async def pin(self, chain_id: int, number: int | None) -> Pin:
        return PIN

    async def accounts(self, pin: Pin, addresses: Sequence[bytes]) -> list[RemoteAccount]:
        found = [base().get(one, Account()) for one in addresses]
        return [RemoteAccount(one.balance, one.nonce, one.code) for one in found]

    async def slots(self, pin: Pin, asked: Sequence[tuple[bytes, int]]) -> list[int]:
        return [base().get(one, Account()).storage.get(slot, 0) for one, slot in asked]


def applied(world: World, delta: Delta) -> World:
    after = copy.deepcopy(world)
    for address, change in delta.accounts.items():
        account = after[address] = Account() if change.cleared else after.get(address, Account())
        account.balance += change.balance
        account.nonce += change.nonce
        account.code = account.code if change.code is None else change.code
        account.storage |= change.storage
    return after


def run(program: Sequence[Op], before: World) -> tuple[World, Replay, tuple[Captured, ...]]:
    """The world after it, what a replay tells of it, and its transactions."""
    world = copy.deepcopy(before)
    slots: dict[bytes, set[int]] = {}
    access = Access(slots=slots)
    sent: list[Captured] = []
    renewed: set[bytes] = set()

    def account(address: bytes) -> Account:
        return world.setdefault(address, Account())

    def send(sender: bytes, contract: bytes | None = None) -> None:
        sent.append(
            Captured(
                chain_id=1,
                from_=sender,
                to=None if contract else ACCOUNTS[0],
                value=0,
                data=b"",
                nonce=account(sender).nonce,
                kind="CREATE" if contract else "CALL",
                contract=contract,
            )
        )
        account(sender).nonce += 1

    for op in program:
        match op:
            case ("add", to, at, from_, slot, value):
                slots.setdefault(to, set()).add(at)
                slots.setdefault(from_, set()).add(slot)
                account(to).storage[at] = account(from_).storage.get(slot, 0) + value
            case ("pay", from_, to, value):
                payer, had = account(from_), before.get(from_, Account()).balance
                if payer.balance < value:
                    access.balances.add(from_)
                    continue
                needed = value - (payer.balance - had)
                access.spent[from_] = max(access.spent.get(from_, 0), needed)
                payer.balance -= value
                account(to).balance += value
            case ("look", of, to, at):
                access.balances.add(of)
                slots.setdefault(to, set()).add(at)
                account(to).storage[at] = account(of).balance
            case ("send", sender):
                send(sender)
            case ("create", sender):
                access.nonces.add(sender)
                seed = sender + bytes([account(sender).nonce])
                created = hashlib.sha256(seed).digest()[:20]
                access.codes.add(created)
                send(sender, created)
                account(created).code = b"made" + account(created).code
            case ("renew", address, at, value):
                renewed.add(address)
                account(address).storage.clear()
                account(address).storage[at] = value
                account(address).code = b"renewed"
    delta = {}
    for address, after in world.items():
        was = Account() if address in renewed else before.get(address, Account())
        if address in renewed or was != after:
            delta[address] = AccountChange(
                balance=after.balance - was.balance,
                nonce=after.nonce - was.nonce,
                code=None if after.code == was.code else after.code,
                storage={
                    slot: value
                    for slot, value in after.storage.items()
                    if was.storage.get(slot, 0) != value
                },
                cleared=address in renewed,
            )
    replay = Replay(transactions=(), deltas={1: Delta(delta)}, accesses={1: access})
    return world, replay, tuple(sent)


def shown(world: World) -> dict[bytes, object]:
    """What of a world can be told apart: accounts and slots that hold something."""
    return {
        address: (one.balance, one.nonce, one.code, {k: v for k, v in one.storage.items() if v})
        for address, one in world.items()
        if one.balance or one.nonce or one.code or any(one.storage.values())
    }
