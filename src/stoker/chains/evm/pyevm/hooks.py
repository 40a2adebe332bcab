"""What may step in where one contract calls another: cheatcodes do."""

from __future__ import annotations

from typing import Protocol

from stoker.chains.evm.frame import Log
from stoker.chains.evm.pyevm.computation import Computation, Message
from stoker.chains.evm.pyevm.instructions import Instruction


class Answer:
    """What a call comes to without any code being run."""

    __slots__ = ("output", "succeeded")

    def __init__(self, succeeded: bool, output: bytes) -> None:
        self.succeeded = succeeded
        self.output = output


class Hooks(Protocol):
    def before_call(self, caller: Computation, message: Message) -> Answer | None:
        """May change the message; an answer ends the call. `message.code` is set afterwards."""

    def before_create(self, caller: Computation, message: Message) -> Message | None:
        """May change the message; one that is returned is a call made instead."""

    def after(self, caller: Computation, message: Message, made: Computation) -> None:
        """May change what came of it."""

    def table(self, message: Message) -> list[Instruction]:
        """What the opcodes of the message's code do."""

    def logged(self, by: Computation, log: Log) -> None: ...
