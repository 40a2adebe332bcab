"""Running a script as `forge script` does: libraries, the script's contract, `setUp()`, `run()`."""

from __future__ import annotations

from collections.abc import Mapping

from eth_utils.crypto import keccak

from stoker.chains.evm.job import Capture, Captured, CaptureJob, Outcome
from stoker.chains.evm.pyevm.addresses import (
    CALLER,
    CHEATCODES,
    CREATE2_CODE,
    CREATE2_DEPLOYER,
    create2_address,
    create_address,
)
from stoker.chains.evm.pyevm.calls import execute
from stoker.chains.evm.pyevm.computation import Computation, Message, frame_of
from stoker.chains.evm.pyevm.faults import words
from stoker.chains.evm.pyevm.script import Script
from stoker.chains.evm.pyevm.source import Source
from stoker.chains.evm.pyevm.transaction import transact
from stoker.chains.evm.pyevm.world import World
from stoker.chains.solidity.compilation import Compilation

_SALT = bytes(32)
_PLENTY = 2**96 - 1
"""Wei that a script's contract begins with."""
_FAR = (2**64 - 1) // 2
"""The deployer's nonce when it is the sender, too, whose own must not move for it."""


def capture(job: CaptureJob, source: Source) -> Capture:
    """Raises `ScriptRefused` and `LimitReached`, and what `source` raises."""
    world = World(job.chains, source, limited=False)
    world.gas_price = world.chain.block.base_fee
    script = Script(job, world)
    source.want(world.chain.pin, (job.sender, CALLER, CREATE2_DEPLOYER))
    linked = _deploy_libraries(script)
    _prepare(world)
    made = _deploy(script, linked)
    if made.fault is not None:
        return _captured(script, made)
    if any(one.get("name") == "setUp" and one.get("type") == "function" for one in job.script.abi):
        made = _run(script, keccak(text="setUp()")[:4])
        if made.fault is not None:
            return _captured(script, made)
    made = _run(script, keccak(text=job.signature)[:4])
    return _captured(script, made)


def _prepare(world: World) -> None:
    world.set_balance(CALLER, 2**256 - 1)
    world.chain.invent(CHEATCODES, code=b"\0")
    if not world.get_code(CREATE2_DEPLOYER):
        world.set_code(CREATE2_DEPLOYER, CREATE2_CODE)


def _deploy_libraries(script: Script) -> bytes:
    """Those the script links: through the CREATE2 deployer unless they are there already, or by
    their sender where the chain has no such deployer. Gives the script's creation code with their
    addresses."""
    world, sender = script.world, script.sender
    addresses: dict[str, bytes] = {}
    shared = bool(world.get_code(CREATE2_DEPLOYER))
    for library in script.job.script.libraries:
        code = _link(library, addresses)
        nonce = world.get_nonce(sender)
        if shared:
            address = create2_address(CREATE2_DEPLOYER, _SALT, code)
        else:
            address = create_address(sender, nonce)
        addresses[f"{library.file}:{library.name}"] = address
        if shared and world.get_code(address):
            continue
        transaction = Captured(
            chain_id=script.job.chains.home,
            from_=sender,
            to=CREATE2_DEPLOYER if shared else None,
            value=0,
            data=_SALT + code if shared else code,
            nonce=nonce,
            kind="CREATE2" if shared else "CREATE",
            contract=address,
        )
        made = transact(
            world,
            sender=sender,
            to=transaction.to,
            value=0,
            data=transaction.data,
            gas=script.job.limits.gas,
            relayed=True,
        ).made
        outcome = Outcome(succeeded=made.fault is None, output=made.output, logs=tuple(world.logs))
        script.transactions.append(transaction)
        script.outcomes.append(outcome)
        world.logs.clear()
    return _link(script.job.script, addresses)


def _link(compiled: Compilation, addresses: Mapping[str, bytes]) -> bytes:
    code = bytearray(compiled.bytecode)
    for name, places in compiled.links.items():
        for place in places:
            code[place : place + 20] = addresses[name]
    return bytes(code)


def _deploy(script: Script, code: bytes) -> Computation:
    world = script.world
    nonce = world.get_nonce(CALLER)
    if script.sender == CALLER:
        world.set_nonce(CALLER, _FAR)
    at = world.get_nonce(CALLER)
    address = create_address(CALLER, at)
    world.chain.invent(address, _PLENTY)
    script.address = address
    script.persistent[address] = None
    message = Message(
        kind="CREATE",
        sender=CALLER,
        address=address,
        code_address=address,
        value=0,
        data=b"",
        code=code,
        gas=script.job.limits.gas,
        depth=0,
    )
    world.set_nonce(CALLER, at + 1)
    world.begin(CALLER, (address,))
    world.hooks = script
    made = execute(world, message)
    if script.sender == CALLER:
        world.set_nonce(CALLER, nonce)
    return made


def _run(script: Script, data: bytes) -> Computation:
    world, address = script.world, script.address
    world.begin(script.sender, (address,))
    made = execute(
        world,
        Message(
            kind="CALL",
            sender=script.sender,
            address=address,
            code_address=address,
            value=0,
            data=data,
            code=world.get_code(address),
            gas=script.job.limits.gas,
            depth=0,
        ),
    )
    world.origin = script.sender
    return made


def _captured(script: Script, made: Computation) -> Capture:
    return Capture(
        transactions=tuple(script.transactions),
        console=tuple(script.console),
        frame=frame_of(made),
        error=None if made.fault is None else words(made.fault),
        returned=b"" if made.fault is not None else made.output,
        outcomes=tuple(script.outcomes),
    )
