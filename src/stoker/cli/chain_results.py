"""`stoker chain results`: what came of groups."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from stoker.cli import exit_codes
from stoker.cli.chain_view import find, lines, report
from stoker.cli.context import Context

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Its arguments."""
    results = actions.add_parser("results", help="what came of the groups", parents=[common])
    results.add_argument(
        "plan",
        metavar="PLAN",
        nargs="?",
        default="last",
        help="its id or the beginning of it (default: the newest)",
    )
    results.add_argument("--group", type=int, metavar="N", help="only of this one")
    results.add_argument(
        "--trace", action="store_true", help="with calls, events, gas and what changed hands"
    )
    how = results.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="as JSON, the list")
    how.add_argument("--code", action="store_true", help="only the scripts")


async def show(args: Namespace, context: Context) -> int:
    """Print results; 1 if a group has failed. Raises `UsageError`."""
    from stoker.chains.results import results
    from stoker.engine.view import read_run

    async with context.journal() as journal:
        row = await find(context, journal, args.plan)
        state = (await read_run(journal, row.run_id)).state
    found = [one for one in results(state) if args.group in (None, one.group_index)]
    if args.json:
        context.output.json(found)
    for one in [] if args.json else found:
        if args.code:
            inner = one.inner.done or one.inner.failed
            context.output.line(inner.generated_code if inner else "")
            continue
        for line in lines(one):
            context.output.line(line)
        for line in report(state, one.group_index) if args.trace else ():
            context.output.line(line)
    left = len(state.steps) - len(results(state))
    if left and not args.json:
        context.output.note(f"{left} of {len(state.steps)} groups are not over")
    failed = any(one.inner.failed is not None for one in found)
    return exit_codes.FAILED if failed else exit_codes.SUCCEEDED


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {"results": show}
