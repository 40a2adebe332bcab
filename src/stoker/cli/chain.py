"""`stoker chain`: groups of operations on EVM chains, which become transactions to sign."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Awaitable, Callable
from typing import Final

from stoker.cli import chain_broadcast, chain_plan, chain_results, chain_script
from stoker.cli.context import Context, UsageError

Action = Callable[[Namespace, Context], Awaitable[int]]
_PARTS: Final = (chain_plan, chain_results, chain_script, chain_broadcast)
"""Modules with actions: `register(actions, common)` and `ACTIONS`."""
_OF_CHAINS: Final = ("eth", "eth_abi", "eth_hash", "eth_keys", "eth_utils", "rlp")


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker chain`."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = (
        "Chains, sender, explorers and model are in chains.toml of the state directory, or in the\n"
        "file that --settings names. A plan of groups is a run: `stoker show`, `cancel` and\n"
        "`events` take its id, too.\n\n"
        "examples:\n"
        "  stoker chain setup                      # the compiler, once\n"
        "  stoker chain run groups.json\n"
        "  stoker chain plan groups.json; stoker chain next last; stoker chain results last\n"
        "  stoker chain broadcast last             # tried on the chains as they are; --send\n"
        "  stoker chain simulate Swap.s.sol --chain mainnet\n"
    )
    common = ArgumentParser(add_help=False, argument_default=SUPPRESS)
    common.add_argument("--db", metavar="PATH|URL", help="the journal")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for part in _PARTS:
        part.register(actions, common)


async def run(args: Namespace, context: Context) -> int:
    """Carry out an action. Raises `UsageError`, `PlanError`, `JournalError`."""
    from stoker.chains.errors import BadGroups, ChainError
    from stoker.cli.door import needs
    from stoker.toml_file import BadFile

    action: Action = next(
        part.ACTIONS[args.action] for part in _PARTS if args.action in part.ACTIONS
    )
    try:
        return await action(args, context)
    except BadGroups as error:
        name = getattr(args, "file", "")
        raise UsageError("\n".join(f"{name}: {one}" for one in error.told)) from error
    except (ChainError, BadFile) as error:
        raise UsageError(str(error)) from error
    except ModuleNotFoundError as error:
        raise needs(error, "this command", "chains", _OF_CHAINS) from error
