"""Kind `shell`: a script for `sh -c` or another shell."""

from __future__ import annotations

from typing import Final

from stoker.engine.kinds import Attempt, ProcessWork
from stoker.plan.model import Step
from stoker.steps.kind import BaseKind, Definition

MAX_SCRIPT: Final = 128 * 1024 - 1
"""Bytes Linux takes in one argument (MAX_ARG_STRLEN, less the final NUL)."""


class Shell(Definition, frozen=True):
    """A shell script. Values from outside are safest in `env`, as `"$NAME"`: a template in
    the script becomes part of its code."""

    run: str | None = None
    """The script, one line or many."""
    script: str | None = None
    """Another word for `run`."""
    shell: str = "sh"
    """The shell with its options, for example `bash -euo pipefail`; `-c` is added."""


class ShellKind(BaseKind[Shell]):
    """Runs a script through a shell."""

    name = "shell"
    definition = Shell

    def check(self, step: Step, definition: Shell) -> list[str]:
        """Exactly one script, short enough for one argument, and a shell to run it."""
        problems = []
        if (definition.run is None) == (definition.script is None):
            problems.append("expected exactly one of 'run' and 'script'")
        elif (size := len(_script(definition).encode())) > MAX_SCRIPT:
            problems.append(
                f"the script has {size:,} bytes, more than the {MAX_SCRIPT:,} that Linux takes "
                "in one argument: put it into a file and run that"
            )
        try:
            if not _shell(definition):
                problems.append("shell: expected the name of a shell, found nothing")
        except ValueError as error:
            problems.append(f"shell: {definition.shell!r} cannot be split into words: {error}")
        return problems

    def start(self, step: Step, definition: Shell, attempt: Attempt) -> ProcessWork:
        """One process: the shell with the script as its argument."""
        return ProcessWork(
            spec=attempt.process((*_shell(definition), "-c", _script(definition))),
        )


def _script(definition: Shell) -> str:
    return definition.run or definition.script or ""


def _shell(definition: Shell) -> list[str]:
    if definition.shell == "sh":
        return ["sh"]
    import shlex

    return shlex.split(definition.shell)


KIND = ShellKind()
