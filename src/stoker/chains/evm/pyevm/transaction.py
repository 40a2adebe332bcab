"""One transaction, as a block would take it."""

from __future__ import annotations

from msgspec import Struct

from stoker.chains.evm.pyevm.addresses import create_address
from stoker.chains.evm.pyevm.calls import MAX_CODE, code_at, execute
from stoker.chains.evm.pyevm.computation import Computation, Message
from stoker.chains.evm.pyevm.world import World

BASE = 21_000
_PER_TOKEN, _FLOOR_PER_TOKEN = 4, 10
_REFUND_QUOTIENT = 5


class Invalid(Exception):
    """It would not get into a block. Says why."""


class Receipt(Struct, frozen=True):
    made: Computation
    gas_used: int
    gas: int
    """Its limit."""


def intrinsic(data: bytes, creates: bool) -> tuple[int, int]:
    """Gas that it takes before code runs, and the least it pays for its data (EIP-7623)."""
    zeros = data.count(0)
    tokens = zeros + 4 * (len(data) - zeros)
    gas = BASE + _PER_TOKEN * tokens
    if creates:
        gas += 32_000 + 2 * ((len(data) + 31) >> 5)
    return gas, BASE + _FLOOR_PER_TOKEN * tokens


def transact(
    world: World,
    *,
    sender: bytes,
    to: bytes | None,
    value: int,
    data: bytes,
    gas: int,
    nonce: int | None = None,
    relayed: bool = False,
) -> Receipt:
    """On the chain the world is on. Gas is counted and not paid for: what a sender has may then be
    added up in any order. `nonce` None: whichever is next; `relayed`: whoever it is, contracts
    too. Raises `Invalid`."""
    have = world.get_nonce(sender)
    if nonce is not None and nonce != have and not relayed:
        raise Invalid(f"nonce is {nonce}, and the next of 0x{sender.hex()} is {have}")
    code = world.get_code(sender)
    if code and not relayed and not (code[:3] == b"\xef\x01\x00" and len(code) == 23):
        raise Invalid(f"0x{sender.hex()} is a contract, which sends no transactions (EIP-3607)")
    before, floor = intrinsic(data, to is None)
    if gas < max(before, floor):
        raise Invalid(f"gas limit is {gas}, and it takes {max(before, floor)} at least")
    if to is None and world.limited and len(data) > 2 * MAX_CODE:
        raise Invalid(f"its creation code of {len(data)} bytes is more than {2 * MAX_CODE}")
    if world.get_balance(sender) < value:
        world.look_at_balance(sender)
        balance = world.get_balance(sender)
        raise Invalid(f"0x{sender.hex()} has {balance} wei, and it sends {value}")
    world.begin(sender)
    world.set_nonce(sender, have + 1)
    delegate = None
    if to is None:
        world.chain.seen_nonces.add(sender)
        address, code, data = create_address(sender, have), data, b""
    else:
        address = to
        code, delegate = code_at(world, to)
        if delegate is not None:
            world.mark_address_warm(delegate)
    world.mark_address_warm(address)
    made = execute(
        world,
        Message(
            kind="CREATE" if to is None else "CALL",
            sender=sender,
            address=address,
            code_address=delegate or address,
            value=value,
            data=data,
            code=code,
            gas=gas - before,
            depth=0,
            delegated=delegate is not None,
        ),
    )
    used = gas - made.gas
    if made.fault is None:
        used -= min(world.refund, used // _REFUND_QUOTIENT)
        world.destroy()
    return Receipt(made, max(used, floor), gas)
