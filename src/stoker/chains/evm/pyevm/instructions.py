"""What each opcode does: py-evm's own, and those that run most often done directly. A cheap one may
take gas below nothing: whether it did is looked at where code could go on for long (a jump), where
it could do something (everything of py-evm's), and at the end."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import cast

from eth.exceptions import Halt, OutOfGas, Revert, WriteProtection
from eth.vm.forks.prague.opcodes import PRAGUE_OPCODES
from eth.vm.logic.invalid import InvalidOpcode
from eth.vm.opcode import _FastOpcode
from eth_utils.crypto import keccak

from stoker.chains.evm.pyevm.computation import Computation

Instruction = Callable[[Computation], None]
MASK = 2**256 - 1
SIGN = 1 << 255
_SHORT = 64
_digest = lru_cache(maxsize=4096)(keccak)
"""Where mappings keep things: asked for over and over."""


def add(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = (stack.pop() + stack[-1]) & MASK


def mul(c: Computation) -> None:
    c.gas -= 5
    stack = c.stack
    stack[-1] = (stack.pop() * stack[-1]) & MASK


def sub(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = (stack.pop() - stack[-1]) & MASK


def div(c: Computation) -> None:
    c.gas -= 5
    stack = c.stack
    left = stack.pop()
    right = stack[-1]
    stack[-1] = left // right if right else 0


def lt(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = 1 if stack.pop() < stack[-1] else 0


def gt(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = 1 if stack.pop() > stack[-1] else 0


def slt(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = 1 if stack.pop() ^ SIGN < stack[-1] ^ SIGN else 0


def sgt(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = 1 if stack.pop() ^ SIGN > stack[-1] ^ SIGN else 0


def eq(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = 1 if stack.pop() == stack[-1] else 0


def iszero(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = 0 if stack[-1] else 1


def and_(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = stack.pop() & stack[-1]


def or_(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] = stack.pop() | stack[-1]


def not_(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    stack[-1] ^= MASK


def shl(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    by = stack.pop()
    stack[-1] = (stack[-1] << by) & MASK if by < 256 else 0


def shr(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    by = stack.pop()
    stack[-1] = stack[-1] >> by if by < 256 else 0


def sha3(c: Computation) -> None:
    stack = c.stack
    start = stack.pop()
    size = stack[-1]
    c.extend_memory(start, size)
    c.consume_gas(30 + 6 * ((size + 31) >> 5))
    data = bytes(c.memory[start : start + size])
    stack[-1] = int.from_bytes(_digest(data) if size <= _SHORT else keccak(data), "big")


def mload(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    start = stack[-1]
    end = start + 32
    if end > len(c.memory):
        c.extend_memory(start, 32)
    stack[-1] = int.from_bytes(c.memory[start:end], "big")


def mstore(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    start = stack.pop()
    end = start + 32
    if end > len(c.memory):
        c.extend_memory(start, 32)
    c.memory[start:end] = stack.pop().to_bytes(32, "big")


def calldataload(c: Computation) -> None:
    c.gas -= 3
    stack = c.stack
    start = stack[-1]
    word = c.msg.data[start : start + 32]
    stack[-1] = int.from_bytes(word, "big") << 8 * (32 - len(word))


def codesize(c: Computation) -> None:
    c.consume_gas(2)
    c.stack_push_int(len(c.code))


def codecopy(c: Computation) -> None:
    to, start, size = c.stack_pop_ints(3)
    c.extend_memory(to, size)
    c.consume_gas(3 + 3 * ((size + 31) >> 5))
    if size:
        c.memory[to : to + size] = c.code.raw[start : start + size].ljust(size, b"\0")


def program_counter(c: Computation) -> None:
    c.consume_gas(2)
    c.stack_push_int(c.pc - 1)


def gas(c: Computation) -> None:
    c.consume_gas(2)
    c.stack_push_int(c.gas)


def tload(c: Computation) -> None:
    c.consume_gas(100)
    c.stack[-1] = c.state.get_transient_storage(c.msg.storage_address, c.stack[-1])


def tstore(c: Computation) -> None:
    if c.msg.is_static:
        raise WriteProtection
    c.consume_gas(100)
    slot, value = c.stack_pop_ints(2)
    c.state.set_transient_storage(c.msg.storage_address, slot, value)


def balance(c: Computation) -> None:
    address = address_of(c.stack.pop())
    c.consume_gas(touch(c, address))
    c.stack.append(c.state.look_at_balance(address))


def selfbalance(c: Computation) -> None:
    c.consume_gas(5)
    c.stack_push_int(c.state.look_at_balance(c.msg.storage_address))


def stop(c: Computation) -> None:
    raise Halt


def returns(c: Computation) -> None:
    start, size = c.stack_pop_ints(2)
    c.extend_memory(start, size)
    c.output = bytes(c.memory[start : start + size])
    raise Halt


def revert(c: Computation) -> None:
    start, size = c.stack_pop_ints(2)
    c.extend_memory(start, size)
    c.output = bytes(c.memory[start : start + size])
    raise Revert


def address_of(word: int) -> bytes:
    return (word & (2**160 - 1)).to_bytes(20, "big")


def touch(c: Computation, address: bytes) -> int:
    """What it costs to look at an account, which is warm from here on."""
    if c.state.is_address_warm(address):
        return 100
    c.state.mark_address_warm(address)
    return 2600


def _checked(logic: Instruction, cost: int) -> Instruction:
    """One of py-evm's: it must not run on gas that is not there."""

    def instruction(c: Computation) -> None:
        left = c.gas - cost
        if left < 0:
            raise OutOfGas
        c.gas = left
        logic(c)

    return instruction


def _table() -> list[Instruction]:
    table: list[Instruction] = []
    for number in range(256):
        theirs = PRAGUE_OPCODES.get(number)
        if theirs is None:
            table.append(cast(Instruction, InvalidOpcode(number)))
        elif isinstance(theirs, _FastOpcode):
            table.append(_checked(theirs.logic_fn, theirs.gas_cost))
        else:
            table.append(cast(Instruction, theirs))
    ours: dict[int, Instruction] = {
        0x00: stop,
        0x01: add,
        0x02: mul,
        0x03: sub,
        0x04: div,
        0x10: lt,
        0x11: gt,
        0x12: slt,
        0x13: sgt,
        0x14: eq,
        0x15: iszero,
        0x16: and_,
        0x17: or_,
        0x19: not_,
        0x1B: shl,
        0x1C: shr,
        0x20: sha3,
        0x31: balance,
        0x35: calldataload,
        0x38: codesize,
        0x39: codecopy,
        0x47: selfbalance,
        0x51: mload,
        0x52: mstore,
        0x58: program_counter,
        0x5A: gas,
        0x5C: tload,
        0x5D: tstore,
        0xF3: returns,
        0xFD: revert,
    }
    for number, mine in ours.items():
        table[number] = mine
    return table


TABLE = _table()
