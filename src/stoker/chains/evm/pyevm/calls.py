"""Messages, and the instructions that send them."""

from __future__ import annotations

from eth.exceptions import (
    Halt,
    InsufficientFunds,
    OutOfGas,
    ReservedBytesInCode,
    Revert,
    StackDepthLimit,
    VMError,
    WriteProtection,
)
from eth.vm.forks.prague.computation import PRAGUE_PRECOMPILES

from stoker.chains.evm.frame import CallType, Frame
from stoker.chains.evm.pyevm.addresses import create2_address, create_address
from stoker.chains.evm.pyevm.computation import Answer, Computation, Message, frame_of
from stoker.chains.evm.pyevm.faults import (
    CodeStorageOutOfGas,
    CodeTooLarge,
    Collision,
    InitcodeTooLarge,
)
from stoker.chains.evm.pyevm.instructions import TABLE, Instruction, address_of, touch
from stoker.chains.evm.pyevm.interpreter import code_of, run
from stoker.chains.evm.pyevm.world import World

MAX_DEPTH = 1024
MAX_CODE = 24_576
STIPEND = 2_300
TOLD_DEPTH = 200
"""Calls deeper than this are run, and not told: what reads a trace need not be that deep."""
_DELEGATION = b"\xef\x01\x00"


def code_at(world: World, address: bytes) -> tuple[bytes, bytes | None]:
    """Code that runs at an address, and whom it is delegated to (EIP-7702)."""
    code = world.get_code(address)
    if code[:3] == _DELEGATION and len(code) == 23:
        return world.get_code(code[3:]), code[3:]
    return code, None


def execute(world: World, message: Message) -> Computation:
    """Send a message. What fails is in the answer, and undone."""
    made = Computation(world, message, code_of(message.code))
    mark = world.snapshot()
    try:
        if message.depth > MAX_DEPTH:
            raise StackDepthLimit
        if message.creates:
            _begin_creation(world, message)
        if (
            message.transfers
            and message.value
            and not world.pay(message.sender, message.storage_address, message.value)
        ):
            raise InsufficientFunds
        precompiled = PRAGUE_PRECOMPILES.get(message.code_address)
        if precompiled is not None and not message.creates and not message.delegated:
            precompiled(made)
        elif message.code:
            table = TABLE if world.hooks is None else world.hooks.table(message)
            run(made, table)
        if message.creates:
            _end_creation(world, made)
    except VMError as fault:
        fail(made, fault, made.output if isinstance(fault, Revert) else b"")
        world.revert(mark)
    return made


def fail(made: Computation, fault: VMError, output: bytes) -> None:
    """It failed after all, or in another way. All but what was reverted, or never began, takes its
    gas."""
    made.fault = fault
    made.output = output
    made.logs.clear()
    if fault.burns_gas and not isinstance(fault, (InsufficientFunds, StackDepthLimit)):
        made.gas = 0


def _begin_creation(world: World, message: Message) -> None:
    address = message.storage_address
    if world.has_code_or_nonce(address):
        raise Collision
    world.create(address)


def _end_creation(world: World, made: Computation) -> None:
    code = made.output
    if world.limited and len(code) > MAX_CODE:
        raise CodeTooLarge
    if code[:1] == b"\xef":
        raise ReservedBytesInCode
    try:
        made.consume_gas(200 * len(code))
    except OutOfGas:
        raise CodeStorageOutOfGas from None
    world.set_code(made.msg.storage_address, code)


def _told(caller: Computation, made: Computation) -> None:
    caller.told += 1
    if made.msg.depth <= TOLD_DEPTH:
        frame = frame_of(made)
        caller.state.tell(frame)
        caller.calls.append(frame)


def _answered(world: World, message: Message, answer: Answer) -> Computation:
    made = Computation(world, message, code_of(b""))
    succeeded, made.output = answer
    if not succeeded:
        made.fault = Revert()
    return made


def send(caller: Computation, message: Message) -> Computation:
    """A call from within another."""
    world = caller.state
    hooks = world.hooks
    if hooks is None:
        made = execute(world, message)
    else:
        answer = hooks.before_call(caller, message)
        made = execute(world, message) if answer is None else _answered(world, message, answer)
        hooks.after(caller, message, made)
    _told(caller, made)
    return made


def _call(kind: CallType) -> Instruction:
    has_value = kind in ("CALL", "CALLCODE")

    def instruction(c: Computation) -> None:
        if has_value:
            asked, to, value, start, size, out, room = c.stack_pop_ints(7)
        else:
            asked, to, start, size, out, room = c.stack_pop_ints(6)
            value = 0
        here = c.msg
        had = c.gas
        if kind == "CALL" and value and here.is_static:
            raise WriteProtection
        c.extend_memory(start, size)
        c.extend_memory(out, room)
        world = c.state
        target = address_of(to)
        c.consume_gas(touch(c, target))
        code, delegate = code_at(world, target)
        if delegate is not None:
            c.consume_gas(touch(c, delegate))
        if value:
            c.consume_gas(9000)
            if kind == "CALL" and world.account_is_empty(target):
                c.consume_gas(25_000)
        if c.gas < 0:
            raise OutOfGas
        gas = min(asked, c.gas - c.gas // 64)
        c.gas -= gas
        message = Message(
            kind=kind,
            sender=here.sender if kind == "DELEGATECALL" else here.storage_address,
            address=target if kind in ("CALL", "STATICCALL") else here.storage_address,
            code_address=delegate or target,
            value=here.value if kind == "DELEGATECALL" else value,
            data=bytes(c.memory[start : start + size]),
            code=code,
            gas=gas + (STIPEND if value else 0),
            depth=here.depth + 1,
            is_static=here.is_static or kind == "STATICCALL",
            delegated=delegate is not None,
        )
        message.to = target
        message.all_gas = asked >= had - 100
        made = send(c, message)
        c.gas += made.gas
        c.return_data = made.output
        if room and made.output:
            c.memory_write(out, min(room, len(made.output)), made.output[:room])
        c.stack_push_int(0 if made.fault is not None else 1)

    return instruction


def _create(kind: CallType) -> Instruction:
    def instruction(c: Computation) -> None:
        here = c.msg
        if here.is_static:
            raise WriteProtection
        value, start, size = c.stack_pop_ints(3)
        salt = c.stack.pop().to_bytes(32, "big") if kind == "CREATE2" else b""
        c.extend_memory(start, size)
        world = c.state
        if world.limited and size > 2 * MAX_CODE:
            raise InitcodeTooLarge
        length = (size + 31) >> 5
        c.consume_gas(32_000 + length * (8 if salt else 2))
        gas = c.gas - c.gas // 64
        message = Message(
            kind=kind,
            sender=here.storage_address,
            address=b"",
            code_address=b"",
            value=value,
            data=b"",
            code=bytes(c.memory[start : start + size]),
            gas=gas,
            depth=here.depth + 1,
        )
        message.salt = salt
        c.gas -= gas
        instead = world.hooks.before_create(c, message) if world.hooks is not None else None
        made = send(c, instead) if instead is not None else _created(c, message, salt)
        c.gas += made.gas
        failed = made.fault is not None
        c.return_data = made.output if failed else b""
        created = made.msg.storage_address if instead is None else made.output[-20:]
        c.stack_push_int(0 if failed else int.from_bytes(created, "big"))

    return instruction


def _created(c: Computation, message: Message, salt: bytes) -> Computation:
    world = c.state
    nonce = world.get_nonce(message.sender)
    why: VMError | None = None
    if message.depth > MAX_DEPTH or nonce >= 2**64 - 1:
        why = StackDepthLimit()
    elif world.get_balance(message.sender) < message.value:
        world.look_at_balance(message.sender)
        why = InsufficientFunds()
    if why is not None:
        made = Computation(world, message, code_of(b""))
        fail(made, why, b"")
    else:
        world.set_nonce(message.sender, nonce + 1)
        if salt:
            address = create2_address(message.sender, salt, message.code)
        else:
            world.chain.seen_nonces.add(message.sender)
            address = create_address(message.sender, nonce)
        message.storage_address = message.code_address = address
        world.mark_address_warm(address)
        made = execute(world, message)
    if world.hooks is not None:
        world.hooks.after(c, message, made)
    _told(c, made)
    return made


def selfdestruct(c: Computation) -> None:
    """EIP-6780: only what was created in the same transaction goes."""
    here = c.msg
    if here.is_static:
        raise WriteProtection
    world = c.state
    address = here.storage_address
    to = address_of(c.stack.pop())
    cost = 5000
    if not world.is_address_warm(to):
        world.mark_address_warm(to)
        cost += 2600
    value = world.look_at_balance(address)
    if value and world.account_is_empty(to):
        cost += 25_000
    c.consume_gas(cost)
    gone = address in world.chain.created
    if to != address:
        world.pay(address, to, value)
    elif gone:
        world.set_balance(address, 0)
    if gone:
        world.journal.set(world.chain.destroyed, address, True)
    c.told += 1
    frame = Frame(
        type="SELFDESTRUCT",
        from_=address,
        to=to,
        value=value,
        gas=0,
        gas_used=0,
        input=b"",
        output=b"",
        depth=here.depth + 1,
    )
    world.tell(frame)
    c.calls.append(frame)
    raise Halt


for _number, _kind in (
    (0xF1, "CALL"),
    (0xF2, "CALLCODE"),
    (0xF4, "DELEGATECALL"),
    (0xFA, "STATICCALL"),
):
    TABLE[_number] = _call(_kind)  # type: ignore[arg-type]
TABLE[0xF0] = _create("CREATE")
TABLE[0xF5] = _create("CREATE2")
TABLE[0xFF] = selfdestruct
