"""Kind `command`: a program with its arguments, executed directly, without a shell."""

from __future__ import annotations

from itertools import chain
from typing import Any

from msgspec.structs import replace

from stoker.engine.kinds import Attempt, ProcessWork
from stoker.plan.model import Scalar, Step
from stoker.plan.template import as_text
from stoker.steps.kind import BaseKind, Definition


class Command(Definition, frozen=True):
    """A program and its arguments."""

    command: str
    """Name of the program, looked up on the step's `PATH`, or a path to it."""
    args: tuple[Scalar | tuple[Any, ...] | dict[str, Any], ...] = ()
    """Arguments as they are, never split or expanded. A list within the list gives its
    elements, so that `"${{ inputs.files }}"` passes many arguments; a map is passed as JSON."""
    stdin: str | None = None
    """Text for standard input; default: the step's own `stdin`, else nothing."""


class CommandKind(BaseKind[Command]):
    """Runs a program directly."""

    name = "command"
    definition = Command

    def check(self, step: Step, definition: Command) -> list[str]:
        """An empty command is an error."""
        return [] if definition.command.strip() else ["command: expected a program, found nothing"]

    def tool(self, step: Step, definition: Command) -> str:
        """The program's base name."""
        return definition.command.rpartition("/")[2]

    def start(self, step: Step, definition: Command, attempt: Attempt) -> ProcessWork:
        """One process."""
        args = definition.args
        if any(type(arg) is not str for arg in args):
            lists = (arg if isinstance(arg, tuple) else (arg,) for arg in args)
            args = tuple(map(as_text, chain.from_iterable(lists)))
        spec = attempt.process((definition.command, *args))  # type: ignore[arg-type] # all text
        if definition.stdin is not None:
            spec = replace(spec, stdin=definition.stdin.encode())
        return ProcessWork(spec=spec)


KIND = CommandKind()
