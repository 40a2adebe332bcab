"""One call while it runs: stack, memory, gas; and as it is told when it is over. py-evm's
instructions and precompiled contracts work on it by the names py-evm gives its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eth.exceptions import FullStack, OutOfGas, VMError
from msgspec import structs

from stoker.chains.evm.frame import CallType, Frame, Log
from stoker.chains.evm.pyevm.faults import words

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.interpreter import Code
    from stoker.chains.evm.pyevm.world import World

MAX_STACK = 1023
Answer = tuple[bool, bytes]
"""Whether a call succeeds for which no code is run, and its output."""


class Message:
    """A call to be made. `address`: whose storage it works on; `code_address`: whose code runs."""

    __slots__ = (
        "all_gas",
        "code",
        "code_address",
        "data",
        "delegated",
        "depth",
        "gas",
        "is_static",
        "kind",
        "salt",
        "sender",
        "storage_address",
        "to",
        "transfers",
        "value",
    )

    def __init__(
        self,
        *,
        kind: CallType,
        sender: bytes,
        address: bytes,
        code_address: bytes,
        value: int,
        data: bytes,
        code: bytes,
        gas: int,
        depth: int,
        is_static: bool = False,
        delegated: bool = False,
    ) -> None:
        self.kind = kind
        self.sender = sender
        self.storage_address = address
        self.code_address = code_address
        self.value = value
        self.data = data
        self.code = code
        self.gas = gas
        self.depth = depth
        self.is_static = is_static
        self.to = address
        """Whom the caller named: whose code it is, where that is not `address`."""
        self.all_gas = True
        """Whether the caller gave all the gas it had, rather than so much."""
        self.salt = b""
        self.delegated = delegated
        """Whether the code is that of an EIP-7702 delegation: precompiled contracts do not run."""
        self.transfers = kind in ("CALL", "CALLCODE", "CREATE", "CREATE2")

    @property
    def data_as_bytes(self) -> bytes:
        return self.data

    @property
    def creates(self) -> bool:
        return self.kind in ("CREATE", "CREATE2")


class Computation:
    """`fault`: why it failed, None if it did not (yet)."""

    __slots__ = (
        "calls",
        "code",
        "fault",
        "gas",
        "logs",
        "memory",
        "msg",
        "output",
        "pc",
        "return_data",
        "stack",
        "state",
        "told",
    )

    def __init__(self, state: World, msg: Message, code: Code) -> None:
        self.state = state
        self.msg = msg
        self.code = code
        self.gas = msg.gas
        self.pc = 0
        self.stack: list[int] = []
        self.memory = bytearray()
        self.output = b""
        self.return_data = b""
        self.fault: VMError | None = None
        self.calls: list[Frame] = []
        self.logs: list[Log] = []
        self.told = 0
        """Calls so far; `calls` may have fewer, where a trace is cut."""

    # -- gas

    def consume_gas(self, amount: int, reason: str = "") -> None:
        left = self.gas - amount
        if left < 0:
            raise OutOfGas(reason)
        self.gas = left

    def refund_gas(self, amount: int) -> None:
        self.state.refund += amount

    def get_gas_remaining(self) -> int:
        return self.gas

    # -- stack

    def stack_pop1_int(self) -> int:
        return self.stack.pop()

    def stack_pop1_bytes(self) -> bytes:
        return self.stack.pop().to_bytes(32, "big")

    def stack_pop_ints(self, count: int) -> Sequence[int]:
        stack = self.stack
        if len(stack) < count:
            raise IndexError
        popped = stack[: -count - 1 : -1]
        del stack[-count:]
        return popped

    def stack_push_int(self, value: int) -> None:
        if len(self.stack) > MAX_STACK:
            raise FullStack
        self.stack.append(value)

    def stack_push_bytes(self, value: bytes) -> None:
        self.stack_push_int(int.from_bytes(value, "big"))

    # -- memory

    def extend_memory(self, start: int, size: int) -> None:
        if not size:
            return
        end = start + size
        memory = self.memory
        have = len(memory)
        if end <= have:
            return
        words = (end + 31) >> 5
        before = have >> 5
        self.consume_gas((words - before) * 3 + words * words // 512 - before * before // 512)
        memory.extend(bytes((words << 5) - have))

    def memory_write(self, start: int, size: int, value: bytes) -> None:
        if size:
            self.memory[start : start + size] = value

    def memory_read_bytes(self, start: int, size: int) -> bytes:
        return bytes(self.memory[start : start + size])

    def memory_copy(self, to: int, start: int, size: int) -> None:
        if size:
            self.memory[to : to + size] = self.memory[start : start + size]

    # -- what py-evm asks beside

    @property
    def _memory(self) -> bytearray:
        """For its size."""
        return self.memory

    @property
    def transaction_context(self) -> Computation:
        """Where py-evm asks for the three that follow."""
        return self

    @property
    def origin(self) -> bytes:
        return self.state.origin

    @property
    def gas_price(self) -> int:
        return self.state.gas_price

    @property
    def blob_versioned_hashes(self) -> tuple[bytes, ...]:
        return ()

    def add_log_entry(self, account: bytes, topics: Sequence[int], data: bytes) -> None:
        log = Log(
            address=account,
            topics=tuple(topic.to_bytes(32, "big") for topic in topics),
            data=data,
            position=self.told,
        )
        self.state.logs.append(log)
        self.logs.append(log)
        if self.state.hooks is not None:
            self.state.hooks.logged(self, log)


def frame_of(made: Computation) -> Frame:
    """What is told of a call."""
    message = made.msg
    failed = made.fault is not None
    return Frame(
        type=message.kind,
        from_=message.storage_address if message.kind == "DELEGATECALL" else message.sender,
        to=(b"" if failed else message.storage_address) if message.creates else _target(message),
        value=message.value,
        gas=message.gas,
        gas_used=message.gas - made.gas,
        input=message.code if message.creates else message.data,
        output=made.output,
        error=words(made.fault) if made.fault is not None else None,
        logs=tuple(made.logs),
        calls=tuple(map(_silent, made.calls)) if failed else tuple(made.calls),
        depth=message.depth,
    )


def _silent(frame: Frame) -> Frame:
    """What was logged within a call that failed was not."""
    if not frame.logs and not frame.calls:
        return frame
    return structs.replace(frame, logs=(), calls=tuple(map(_silent, frame.calls)))


def _target(message: Message) -> bytes:
    if message.kind in ("DELEGATECALL", "CALLCODE") or message.delegated:
        return message.to
    return message.storage_address
