"""`stoker resolve`: a person says what became of a quarantined step."""

from __future__ import annotations

import argparse

from stoker.cli.ask import add_going_on, add_run, ask_and_go_on, refuse_if_over
from stoker.cli.context import Context, UsageError
from stoker.cli.show import step_index
from stoker.engine.view import read_run


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker resolve`."""
    add_run(parser)
    parser.add_argument("step", metavar="STEP", help="the quarantined step")
    parser.add_argument(
        "outcome", choices=("rerun", "succeeded", "failed"), help="what to take it for"
    )
    parser.add_argument("--comment", default="", help="why; kept in the journal")
    add_going_on(parser)
    parser.epilog = (
        "If no engine drives the run any more, it goes on here.\n\n"
        "examples:\n  stoker resolve last publish succeeded --comment 'it is on the index'\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Settle a quarantined step, and go on with the run here if nobody drives it."""
    async with context.journal() as journal:
        row = await context.find_run(journal, args.run)
        refuse_if_over(row)
        standing = await read_run(journal, row.run_id)
        status = standing.state.steps[step_index(standing, args.step)].status
        if status != "quarantined":
            raise UsageError(f"step {args.step!r} is not quarantined (it is {status})")
        return await ask_and_go_on(
            args,
            context,
            journal,
            row,
            kind="resolve",
            payload={"step": args.step, "outcome": args.outcome, "comment": args.comment},
            done=f"{args.step!r} of run {row.run_id}: {args.outcome}",
        )
