"""`stoker cancel`: end a run; `stoker pause`: start nothing more, what runs goes on."""

from __future__ import annotations

import argparse

from stoker.cli.ask import add_run, find_open, go_on, person
from stoker.cli.context import Context
from stoker.cli.exit_codes import CANCELED, SUCCEEDED
from stoker.engine.ask import ask

_MORE = (
    "The steps that run are ended with all their processes. Returns once the run's engine\n"
    "has begun to; a run that nobody drives is canceled at once.\n\n"
)


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of one of them."""
    add_run(parser)
    parser.add_argument("--reason", help="kept in the journal")
    parser.epilog = (
        "examples:\n  stoker pause last\n"
        if parser.prog.endswith("pause")
        else f"{_MORE}examples:\n  stoker cancel last --reason 'wrong branch'\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Ask the run's engine; a run that nobody drives is canceled here, or pauses later."""
    note, cancels = context.output.note, args.command == "cancel"
    async with context.journal_of(args.run) as journal:
        row = await find_open(context, journal, args.run)
        reason = args.reason or (f"canceled by {person()}" if cancels else None)
        asked = await ask(journal, row, args.command, {"reason": reason}, by=person())
        if asked.events is not None:
            goes_on = context.hint("unpause", row.run_id)
            said = "being canceled" if cancels else f"paused: {goes_on} lets it go on"
            note(f"run {row.run_id} is {said}")
            return SUCCEEDED
        if not cancels:
            note(f"nobody drives run {row.run_id}: it will pause when it is resumed")
            return SUCCEEDED
        from stoker.cli.plain_view import PlainView
        from stoker.engine.creation import stand_ins, stored_plan

        view = PlainView(context, "quiet")
        values = stand_ins(await stored_plan(journal, row.run_id), row)
        status = await go_on(context, journal, row, values, view, asked.number)
    return SUCCEEDED if status == CANCELED else status
