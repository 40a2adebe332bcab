"""`stoker chain simulate` and `setup`: a script of one's own, and the compiler."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stoker.cli import chain_plan, exit_codes
from stoker.cli.chain_view import add_settings
from stoker.cli.context import Context, UsageError

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Their arguments."""
    simulate = actions.add_parser(
        "simulate", help="run a script on forks of the chains; nothing is sent", parents=[common]
    )
    simulate.add_argument("file", type=Path, metavar="SCRIPT.s.sol", help="with a `run()`")
    simulate.add_argument(
        "--chain", metavar="ALIAS|ID", help="where it begins (default: the first)"
    )
    simulate.add_argument("--sender", metavar="ADDRESS", help="who signs (default: the settings')")
    simulate.add_argument("--json", action="store_true", help="print the result as JSON")
    add_settings(simulate)
    simulate.set_defaults(quiet=True, verbose=False)

    actions.add_parser("setup", help="install the Solidity compiler", parents=[common])


async def simulate(args: Namespace, context: Context) -> int:
    """Run a script as a group of its own. Raises `UsageError`, `BadFile`."""
    from stoker.chains.load import FILE, load
    from stoker.chains.reading import read
    from stoker.chains.solidity.flatten import flatten

    text = flatten(args.file)
    group = {"description": args.file.name, "operations": [], "script": text}
    if args.sender:
        group["sender"] = args.sender
    if args.chain:
        settings = load(args.settings or context.directory / FILE, context.environment).settings
        known = {name: one.id for name, one in settings.chains.items()}
        known |= {str(one): one for one in known.values()}
        if args.chain not in known:
            raise UsageError(f"--chain {args.chain}: expected one of {', '.join(known)}")
        group["chain"] = known[args.chain]
    return await chain_plan.drive(args, context, read([group]), details=True)


async def setup(args: Namespace, context: Context) -> int:
    """Install what compiles scripts."""
    from stoker.chains.solidity.toolchain import install

    context.output.note(f"the compiler is in {await install()}")
    return exit_codes.SUCCEEDED


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {
    "simulate": simulate,
    "setup": setup,
}
