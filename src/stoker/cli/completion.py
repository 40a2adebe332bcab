"""`stoker completion SHELL`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from stoker.cli import exit_codes, given
from stoker.cli.context import Context

_LIST = "stoker list --limit 50 2>/dev/null | cut -d ' ' -f 1"
_RUNS = {
    "bash": "_stoker_runs",
    "zsh": "_stoker_runs",
    "fish": f"({_LIST})",
    "preamble": {
        "bash": f'_stoker_runs() {{ compgen -W "$({_LIST})" -- "$1"; }}',
        "zsh": f"_stoker_runs() {{ compadd -- $({_LIST}) }}",
    },
}


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker completion`."""
    parser.add_argument(
        "shell", choices=("bash", "zsh", "fish", "tcsh"), help="whose script to print"
    )
    parser.epilog = (
        "examples:\n"
        "  stoker completion bash > ~/.local/share/bash-completion/completions/stoker\n"
        "  stoker completion zsh > ~/.zfunc/_stoker\n"
        "  stoker completion fish > ~/.config/fish/completions/stoker.fish"
    )


def run(args: Namespace, context: Context) -> int:
    """Print the script."""
    import shtab

    from stoker.cli.main import parser

    whole = parser()
    files = ("FILE", "FILE.svg", "GROUPS.json", "PATH", "PATH|URL", given.plan_file)
    by: dict[object, Any] = dict.fromkeys(files, shtab.FILE)
    _complete(whole, by | {"DIR": shtab.DIRECTORY, "RUN": _RUNS})
    context.output.line(shtab.complete(whole, shell=args.shell))
    return exit_codes.SUCCEEDED


def _complete(parser: ArgumentParser, by: Mapping[object, Any]) -> None:
    """What an argument is completed with follows from its name or its type."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                _complete(command, by)
        elif found := by.get(action.metavar) or by.get(action.type):
            action.complete = found  # type: ignore[attr-defined]
