"""`stoker cancel`: end a run."""

from __future__ import annotations

import argparse

from stoker.cli.ask import add_run, find_open, go_on, person
from stoker.cli.context import Context
from stoker.cli.exit_codes import CANCELED, SUCCEEDED
from stoker.engine.ask import ask


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker cancel`."""
    add_run(parser)
    parser.add_argument("--reason", help="kept in the journal")
    parser.epilog = (
        "The steps that run are ended with all their processes. Returns once the run's engine\n"
        "has begun to; a run that nobody drives is canceled at once.\n\n"
        "examples:\n  stoker cancel last --reason 'wrong branch'\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Cancel a run; one that nobody drives is settled here."""
    async with context.journal() as journal:
        row = await find_open(context, journal, args.run)
        reason = args.reason or f"canceled by {person()}"
        asked = await ask(journal, row, "cancel", {"reason": reason}, by=person())
        if asked.events is not None:
            context.output.note(f"run {row.run_id} is being canceled")
            return SUCCEEDED
        from stoker.cli.plain_view import PlainView
        from stoker.engine.creation import stand_ins, stored_plan

        view = PlainView(context, "quiet")
        values = stand_ins(await stored_plan(journal, row.run_id), row)
        status = await go_on(context, journal, row, values, view, asked.number)
    return SUCCEEDED if status == CANCELED else status
