"""The command `stoker`.

Only the module of the chosen command is imported: a plan of one step is to be run within
150 ms of pressing return, and imports are most of that.

A command is a module with `register(parser)`, which adds its arguments, and
`run(args, context)`, plain or `async`, which returns the exit status.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple

from stoker.cli import exit_codes
from stoker.cli.context import Context, UsageError
from stoker.cli.output import Output, OutputError


class Entry(NamedTuple):
    """A row of the table of commands."""

    help: str
    journal: bool = True
    """Works on a journal, so it takes `--db`."""
    home: str = ""
    """Its module in `stoker.cli`, where that is not called like the command."""

    def module(self, name: str) -> Any:
        return import_module(f"stoker.cli.{self.home or name}")


COMMANDS: Final = {
    "run": Entry("run a plan"),
    "resume": Entry("go on with a run that was interrupted, suspended or waits"),
    "rerun": Entry("run again from a step on, reusing what succeeded before it"),
    "validate": Entry("check plan files; for CI and commit hooks", journal=False),
    "plan": Entry("show a plan file or draw its graph", journal=False),
    "schema": Entry("print the JSON Schema of plan files", journal=False),
    "list": Entry("list runs, newest first"),
    "show": Entry("show a run, its steps and what failed"),
    "logs": Entry("print or follow what steps wrote"),
    "events": Entry("print or follow a run's events"),
    "stats": Entry("durations, retries, slowest steps and the critical path"),
    "cancel": Entry("cancel a run"),
    "pause": Entry("start no more steps of a run for now", home="cancel"),
    "unpause": Entry("let a paused run go on", home="answer"),
    "next": Entry("release the next batch of a manual run"),
    "approve": Entry("say yes to a step that waits for approval", home="answer"),
    "reject": Entry("say no to a step that waits for approval", home="answer"),
    "resolve": Entry("say what became of a quarantined step", home="answer"),
    "extend": Entry("add steps to a run"),
    "task": Entry("have coding agents work at tasks, each in a git worktree of its own"),
    "project": Entry("repositories that tasks are done in", home="verbs"),
    "server": Entry("how a server, or this installation, stands", home="verbs"),
    "roadmap": Entry("have coding agents complete plan files, verified"),
    "chain": Entry("turn operations on EVM chains into transactions to sign, simulated"),
    "serve": Entry("serve the HTTP API"),
    "mcp": Entry("serve tools for language models, over stdin and stdout"),
    "import-sessions": Entry(
        "take up agents' sessions of automagik-genie as tasks", home="import_sessions"
    ),
    "gc": Entry("delete old runs and their logs"),
    "doctor": Entry("check what is installed and whether the journal is sound"),
    "completion": Entry("print a shell completion script", journal=False),
}

_EPILOG = """\
examples:
  stoker run plan.yaml --input target=prod
  stoker show last
  stoker resume last

`stoker COMMAND --help` tells more. Exit status: 0 succeeded, 1 the run failed, 2 bad input,
3 waiting for a person, 130 canceled.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    # Imports make much that lasts and no garbage: looking for some is a fifth of start-up.
    gc.set_threshold(50_000, 20, 50)
    _open_standard()
    words = list(sys.argv[1:] if argv is None else argv)
    output = Output()
    try:
        args = _parser(words).parse_args(words)
        context = Context(output, db=getattr(args, "db", None))
        status = _run(args, context)
        output.flush()
        gc.freeze()  # nor is there any to look for on the way out
    except BrokenPipeError:
        return exit_codes.CLOSED_PIPE
    except KeyboardInterrupt:
        return exit_codes.CANCELED
    except Exception as error:
        message = _foreseen(error)
        if message is None:
            raise
        try:
            output.out.flush()
            output.error(message)
            output.err.flush()
        except BrokenPipeError:
            return exit_codes.CLOSED_PIPE
        except OutputError:
            return exit_codes.BAD_INPUT  # nor can it be told
        return exit_codes.BAD_INPUT
    return status


def _open_standard() -> None:
    """Standard streams that are closed become /dev/null: else the journal, or a pipe of the
    engine's, would get their numbers, and be printed to."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest number
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115


def _run(args: argparse.Namespace, context: Context) -> int:
    result = COMMANDS[args.command].module(args.command).run(args, context)
    if isinstance(result, int):
        return result
    import asyncio

    from stoker.log import configure

    # What a person must know is printed; the log is for whoever wants to know more.
    configure("info" if getattr(args, "verbose", False) else "critical")
    status: int = asyncio.run(result)
    return status


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for these words: it knows only the command they name, if they name one.
    Raises `UsageError` if that is none."""
    if words and words[0] in COMMANDS:
        return parser(words[:1], filled=True)
    if words and not words[0].startswith("-"):
        from stoker.plan.suggest import did_you_mean

        hint = did_you_mean(words[0], COMMANDS)
        raise UsageError(f"unknown command {words[0]!r}{hint}; see `stoker --help`")
    return parser(tuple(COMMANDS), filled=False)


def parser(
    commands: Sequence[str] = tuple(COMMANDS), *, filled: bool = True
) -> argparse.ArgumentParser:
    """The parser of the command line with these commands, `filled` with their arguments."""
    top = _Parser(
        prog="stoker",
        description="Run plans: parallel, durable, resumable.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, help="print the version and exit")
    choice = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    top.commands = choice.choices
    for name in commands:
        entry = COMMANDS[name]
        command = choice.add_parser(
            name,
            help=entry.help,
            description=entry.help[0].upper() + entry.help[1:] + ".",
            allow_abbrev=False,
        )
        if filled:
            entry.module(name).register(command)
            if entry.journal:
                command.add_argument(
                    "--db",
                    metavar="PATH|URL",
                    help="the journal (default: $STOKER_DB, else the project's .stoker/journal.db)",
                )
    return top


class _Parser(argparse.ArgumentParser):
    """Prints help like everything else, so that it is told where that fails; so do the
    parsers of the commands, which are of the same class. What a command does not take is
    told with that command's usage."""

    commands: Mapping[str, argparse.ArgumentParser] = {}

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **given})

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command = self.commands.get(found.command, self)
            command.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found

    def print_help(self, file: object = None) -> None:
        output = Output()
        output.out.write(self.format_help())
        output.flush()


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> None:
        from importlib.metadata import version

        output = Output()
        output.line(f"stoker {version('stoker')}")
        output.flush()
        parser.exit()


def _foreseen(error: Exception) -> str | None:
    """The message for an error that is the user's or the machine's; None for a fault here."""
    from stoker.engine.commands import CommandRefused
    from stoker.journal.base import JournalError
    from stoker.plan.errors import PlanError

    if isinstance(error, PlanError):
        count = len(error.problems)
        return str(error) if count == 1 else f"{count} problems:\n{error}"
    if isinstance(error, UsageError | JournalError | CommandRefused | OutputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    return None
