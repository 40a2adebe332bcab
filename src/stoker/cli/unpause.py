"""`stoker unpause`: let a paused run go on."""

from __future__ import annotations

import argparse

from stoker.cli.ask import add_going_on, add_run, ask_and_go_on, refuse_if_over
from stoker.cli.context import Context


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker unpause`."""
    add_run(parser)
    add_going_on(parser)
    parser.epilog = (
        "If no engine drives the run any more, it goes on here.\n\n"
        "examples:\n  stoker unpause last\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Let the run go on, here if nobody drives it."""
    async with context.journal() as journal:
        row = await context.find_run(journal, args.run)
        refuse_if_over(row)
        return await ask_and_go_on(
            args,
            context,
            journal,
            row,
            kind="unpause",
            payload={},
            done=f"run {row.run_id} goes on",
        )
