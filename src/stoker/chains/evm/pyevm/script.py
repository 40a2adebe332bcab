"""A script while it runs: where its calls become cheatcodes, pretended calls or transactions."""

from __future__ import annotations

from collections.abc import Callable

from eth.exceptions import Revert

from stoker.chains.evm.frame import Log
from stoker.chains.evm.job import Captured, CaptureJob, Outcome
from stoker.chains.evm.pyevm.addresses import (
    CALLER,
    CHEATCODES,
    CONSOLE,
    CREATE2_DEPLOYER,
    create2_address,
    create_address,
)
from stoker.chains.evm.pyevm.cheats.broadcasts import Broadcast, Prank
from stoker.chains.evm.pyevm.cheats.table import answer, failed
from stoker.chains.evm.pyevm.computation import Answer, Computation, Message
from stoker.chains.evm.pyevm.console import printed
from stoker.chains.evm.pyevm.instructions import TABLE, Instruction
from stoker.chains.evm.pyevm.world import World

_SLOAD, _SSTORE, _ADDRESS = 0x54, 0x55, 0x30
_LEAST_FIXED_GAS = 21_000
_OUTSIDE = (CHEATCODES, CONSOLE)


class Script:
    """What cheatcodes have set, and what came of the script so far. These are the world's hooks."""

    def __init__(self, job: CaptureJob, world: World) -> None:
        self.job = job
        self.world = world
        self.sender = job.sender
        self.address = bytes(20)
        self.transactions: list[Captured] = []
        self.outcomes: list[Outcome] = []
        self.console: list[str] = []
        self.broadcast: Broadcast | None = None
        self.pranks: dict[int, Prank] = {}
        self.labels: dict[bytes, str] = {}
        self.forks = [job.chains.home]
        """Chain of each fork, by its number."""
        self.persistent = dict.fromkeys((CHEATCODES, CREATE2_DEPLOYER, CALLER))
        """Accounts that are the same on all chains."""
        self.kept: dict[int, int] = {}
        self._kept = 0
        self.recording = False
        self.reads: dict[bytes, list[int]] = {}
        self.writes: dict[bytes, list[int]] = {}
        self.recorded: list[Log] | None = None
        self._sent: dict[int, Callable[[Computation], None]] = {}
        """By the depth they were made at: what ends a transaction that is being captured."""
        self._table = self._recording_table()
        self._own_table = [*self._table]
        self._own_table[_ADDRESS] = _own_address

    # -- the world's hooks

    def table(self, message: Message) -> list[Instruction]:
        """What the opcodes of the message's code do."""
        own = message.code_address == self.address and message.storage_address == self.address
        return self._own_table if own else self._table

    def before_call(self, caller: Computation, message: Message) -> Answer | None:
        """An answer ends the call."""
        target = message.storage_address
        if target == CHEATCODES:
            return _guarded(answer, self, caller, message.data)
        if target == CONSOLE:
            text = printed(message.data)
            if text is not None:
                self.console.append(text)
            return True, b""
        self._pretend(caller, message)
        broadcast = self._broadcast(caller, message)
        if broadcast is None:
            return None
        message.sender = broadcast.sender
        if not message.is_static:
            fixed = message.gas >= _LEAST_FIXED_GAS and not message.all_gas
            self._capture(caller, message, gas=message.gas if fixed else None)
            self.world.set_nonce(message.sender, self.world.get_nonce(message.sender) + 1)
        elif broadcast.once:
            why = "`staticcall`s are not allowed after `broadcast`; use `startBroadcast` instead"
            return failed(why)
        else:
            self.world.origin = message.sender
        return None

    def before_create(self, caller: Computation, message: Message) -> Message | None:
        """A message that is returned is a call made instead."""
        broadcast = self.broadcast
        if broadcast is None:
            self._pretend(caller, message)
            return None
        if message.kind == "CREATE2" and caller.msg.depth == broadcast.depth:
            return self._through_deployer(message)
        if self._broadcast(caller, message) is not None:
            message.sender = broadcast.sender
            self._capture(caller, message)
        return None

    def after(self, caller: Computation, message: Message, made: Computation) -> None:
        if message.storage_address in _OUTSIDE:
            return
        depth = caller.msg.depth
        finish = self._sent.pop(depth, None)
        if finish is not None:
            finish(made)
        prank = self.prank_at(depth)
        if prank is not None and prank.depth == depth:
            self.world.origin = prank.origin
            if prank.once:
                del self.pranks[depth]
        broadcast = self.broadcast
        if broadcast is not None and broadcast.depth == depth:
            self.world.origin = broadcast.origin
            if broadcast.once:
                self.broadcast = None

    def logged(self, by: Computation, log: Log) -> None:
        if self.recorded is not None:
            self.recorded.append(log)

    # -- whose call it is

    def prank_at(self, depth: int) -> Prank | None:
        """The deepest that holds there."""
        depths = [at for at in self.pranks if at <= depth]
        return self.pranks[max(depths)] if depths else None

    def _pretend(self, caller: Computation, message: Message) -> None:
        depth = caller.msg.depth
        prank = self.prank_at(depth)
        if prank is None or message.sender != prank.caller:
            return
        if depth == prank.depth:
            message.sender = prank.sender
            prank.used = True
        if prank.new_origin is not None:
            self.world.origin = prank.new_origin
            prank.used = True

    def _broadcast(self, caller: Computation, message: Message) -> Broadcast | None:
        """The one that it is a transaction of."""
        active = self.broadcast
        if active is None or caller.msg.depth != active.depth or message.sender != active.caller:
            return None
        return active

    # -- transactions

    def _capture(self, caller: Computation, message: Message, gas: int | None = None) -> None:
        """It is a transaction, in one of its own."""
        world = self.world
        sender, salt, initcode = message.sender, message.salt, message.data[32:]
        if message.storage_address == CREATE2_DEPLOYER and initcode and not message.creates:
            salt = message.data[:32]  # also where the script calls it itself, as forge
        nonce = world.get_nonce(sender)
        contract: bytes | None = None
        if message.creates:
            contract = create_address(sender, nonce)
        elif salt:
            contract = create2_address(CREATE2_DEPLOYER, salt, initcode)
        self.transactions.append(
            Captured(
                chain_id=world.chain.pin.chain_id,
                from_=sender,
                to=None if message.creates else message.storage_address,
                value=message.value if message.transfers else 0,
                data=message.code if message.creates else message.data,
                nonce=nonce,
                kind="CREATE" if message.creates else "CREATE2" if salt else "CALL",
                contract=contract,
                gas=gas,
            )
        )
        at = len(self.outcomes)
        self.outcomes.append(Outcome(succeeded=False, output=b"", logs=()))
        logs = len(world.logs)
        before = world.begin(sender, (message.storage_address,))

        def finish(made: Computation) -> None:
            if made.fault is None:
                world.destroy()
            self.outcomes[at] = Outcome(
                succeeded=made.fault is None,
                output=made.output,
                logs=tuple(world.logs[logs:]),
            )
            world.resume(before)

        self._sent[caller.msg.depth] = finish

    def _through_deployer(self, message: Message) -> Message:
        """As forge: a CREATE2 that is broadcast is a call of the deployer."""
        call = Message(
            kind="CALL",
            sender=message.sender,
            address=CREATE2_DEPLOYER,
            code_address=CREATE2_DEPLOYER,
            value=message.value,
            data=message.salt + message.code,
            code=self.world.get_code(CREATE2_DEPLOYER),
            gas=message.gas,
            depth=message.depth,
        )
        call.salt = message.salt
        call.all_gas = True
        return call

    # -- chains

    def select(self, fork: int) -> None:
        """Code runs on another chain from here on; persistent accounts come along."""
        world, before = self.world, self.world.chain
        chain = world.chains[self.forks[fork]]
        if chain is not before:
            for address in self.persistent:
                world.carry(address, before, chain)
            world.select(chain)
        chain.fork = fork

    # -- snapshots

    def keep(self) -> int:
        number = self._kept
        self._kept += 1
        self.world.journal.set(self.kept, number, self.world.journal.mark())
        return number

    def put_back(self, number: int) -> bool:
        mark = self.kept.get(number)
        if mark is None:
            return False
        _, logs, refund = self.world.snapshot()
        self.world.revert((mark, logs, refund))
        for later in [one for one in self.kept if one > number]:
            del self.kept[later]
        self.kept[number] = mark
        return True

    # -- records

    def _recording_table(self) -> list[Instruction]:
        table = [*TABLE]

        def recorded(number: int) -> Instruction:
            run = TABLE[number]

            def instruction(c: Computation) -> None:
                if self.recording and c.stack:
                    address, slot = c.msg.storage_address, c.stack[-1]
                    self.reads.setdefault(address, []).append(slot)
                    if number == _SSTORE:
                        self.writes.setdefault(address, []).append(slot)
                run(c)

            return instruction

        table[_SLOAD], table[_SSTORE] = recorded(_SLOAD), recorded(_SSTORE)
        return table


def _own_address(c: Computation) -> None:
    """forge refuses it: a script's address is nobody's."""
    c.output = failed(
        "Usage of `address(this)` detected in script contract. "
        "Script contracts are ephemeral and their addresses should not be relied upon."
    )[1]
    raise Revert


def _guarded(asked: Callable[..., Answer], *arguments: object) -> Answer:
    """The interpreter takes an `IndexError` for a stack without enough on it."""
    try:
        return asked(*arguments)
    except IndexError as error:
        raise RuntimeError(f"a cheatcode failed: {error!r}") from error
