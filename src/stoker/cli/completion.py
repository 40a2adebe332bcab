"""`stoker completion SHELL`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from stoker.cli import exit_codes
from stoker.cli.context import Context


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

    context.output.line(shtab.complete(parser(), shell=args.shell))
    return exit_codes.SUCCEEDED
