"""`stoker pause`: start nothing more; what runs goes on."""

from __future__ import annotations

import argparse

from stoker.cli.ask import add_run, find_open, person
from stoker.cli.context import Context
from stoker.cli.exit_codes import SUCCEEDED
from stoker.engine.ask import ask


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker pause`."""
    add_run(parser)
    parser.add_argument("--reason", help="kept in the journal")
    parser.epilog = "examples:\n  stoker pause last\n"


async def run(args: argparse.Namespace, context: Context) -> int:
    """Ask the run's engine to start nothing more."""
    async with context.journal() as journal:
        row = await find_open(context, journal, args.run)
        asked = await ask(journal, row, "pause", {"reason": args.reason}, by=person())
    if asked.events is None:
        context.output.note(f"nobody drives run {row.run_id}: it will pause when it is resumed")
    else:
        context.output.note(
            f"run {row.run_id} is paused: {context.hint('unpause', row.run_id)} lets it go on"
        )
    return SUCCEEDED
