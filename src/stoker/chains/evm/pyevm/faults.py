"""Why a call fails, in the words of geth."""

from __future__ import annotations

from eth.exceptions import (
    FullStack,
    InsufficientFunds,
    InsufficientStack,
    InvalidInstruction,
    InvalidJumpDestination,
    OutOfBoundsRead,
    OutOfGas,
    ReservedBytesInCode,
    Revert,
    StackDepthLimit,
    VMError,
    WriteProtection,
)


class CodeTooLarge(VMError):
    """EIP-170."""


class InitcodeTooLarge(VMError):
    """EIP-3860."""


class Collision(VMError):
    """There is a contract at the address already."""


class CodeStorageOutOfGas(VMError):
    """No gas left to keep a contract's code."""


_WORDS: dict[type[VMError], str] = {
    CodeStorageOutOfGas: "contract creation code storage out of gas",
    CodeTooLarge: "max code size exceeded",
    Collision: "contract address collision",
    FullStack: "stack limit reached 1024",
    InitcodeTooLarge: "max initcode size exceeded",
    InsufficientFunds: "insufficient balance for transfer",
    InsufficientStack: "stack underflow",
    InvalidInstruction: "invalid opcode",
    InvalidJumpDestination: "invalid jump destination",
    OutOfBoundsRead: "return data out of bounds",
    OutOfGas: "out of gas",
    ReservedBytesInCode: "invalid code: must not begin with 0xef",
    Revert: "execution reverted",
    StackDepthLimit: "max call depth exceeded",
    WriteProtection: "write protection",
}


def words(fault: VMError) -> str:
    return _WORDS.get(type(fault)) or str(fault) or "failed"
