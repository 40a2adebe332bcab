"""Code, what is worked out about it once, and the loop that runs it to its end."""

from __future__ import annotations

import re
from functools import lru_cache

from eth.exceptions import FullStack, Halt, InsufficientStack, InvalidJumpDestination, OutOfGas

from stoker.chains.evm.pyevm.computation import MAX_STACK, Computation
from stoker.chains.evm.pyevm.instructions import Instruction

_JUMPDEST = 0x5B
_PUSHES = b"|".join(
    b"\\x%02x(?s:.){%d}" % (0x5F + size, size) for size in (1, 2, 4, 20, 32, *range(3, 32))
)
_DESTINATION = re.compile(b"(?:[^\\x5b\\x60-\\x7f]|" + _PUSHES + b")*+(?:\\x5b|\\Z)")
"""Instructions up to a JUMPDEST or the end, the data of a PUSH being none."""


class Code:
    """`padded`: with zeros after its end, so that whatever is read of it is there."""

    __slots__ = ("destinations", "padded", "pushes", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.padded = raw + bytes(33)
        self.destinations = {
            found.end() - 1
            for found in _DESTINATION.finditer(self.padded)
            if found.end() <= len(raw)
        }
        self.pushes: dict[int, int] = {}
        """Place of a PUSH's data -> its value, as they are met."""

    def __len__(self) -> int:
        return len(self.raw)


@lru_cache(maxsize=512)
def code_of(raw: bytes) -> Code:
    return Code(raw)


_POP, _JUMP, _JUMPI, _JUMPDEST, _PUSH0 = 0x50, 0x56, 0x57, 0x5B, 0x5F
_PUSH1, _DUP1, _SWAP1, _LOG0 = 0x60, 0x80, 0x90, 0xA0


def run(c: Computation, table: list[Instruction]) -> None:  # noqa: PLR0915
    """Raises the `VMError` that it fails with. Pushes, jumps and the like are two thirds of all
    there is to do, so that they are done here rather than by the table."""
    code = c.code
    padded = code.padded
    pushes = code.pushes
    destinations = code.destinations
    stack = c.stack
    append = stack.append
    end = len(padded)
    pc = 0
    try:
        while pc < end:
            op = padded[pc]
            pc += 1
            if _PUSH0 <= op < _LOG0:
                if op < _DUP1:
                    c.gas -= 3
                    value = pushes.get(pc)
                    size = op - _PUSH0
                    if value is None:
                        if not size:
                            c.gas += 1  # PUSH0 is one cheaper
                            value = 0
                        else:
                            value = int.from_bytes(padded[pc : pc + size].ljust(size, b"\0"), "big")
                            pushes[pc] = value
                    if len(stack) > MAX_STACK:
                        raise FullStack
                    append(value)
                    pc += size
                elif op < _SWAP1:
                    c.gas -= 3
                    if len(stack) > MAX_STACK:
                        raise FullStack
                    append(stack[_DUP1 - 1 - op])
                else:
                    c.gas -= 3
                    below = _SWAP1 - 2 - op
                    stack[-1], stack[below] = stack[below], stack[-1]
            elif op == _JUMPDEST:
                c.gas -= 1
            elif op == _JUMPI:
                if c.gas < 10:
                    raise OutOfGas
                c.gas -= 10
                to = stack.pop()
                if stack.pop():
                    if to not in destinations:
                        raise InvalidJumpDestination
                    pc = to
            elif op == _JUMP:
                if c.gas < 8:
                    raise OutOfGas
                c.gas -= 8
                pc = stack.pop()
                if pc not in destinations:
                    raise InvalidJumpDestination
            elif op == _POP:
                c.gas -= 2
                stack.pop()
            else:
                c.pc = pc
                table[op](c)
    except Halt:
        pass
    except IndexError:
        raise InsufficientStack from None
    finally:
        if c.gas < 0:
            raise OutOfGas from None
