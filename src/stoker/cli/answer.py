"""`stoker approve` and `stoker reject`: a person's answer to a step that waits for it."""

from __future__ import annotations

import argparse

from stoker.cli.ask import add_going_on, add_run, ask_and_go_on, refuse_if_over
from stoker.cli.context import Context, UsageError
from stoker.cli.show import step_index
from stoker.engine.view import Standing, asked_of, asks_a_person, read_run


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of either."""
    add_run(parser)
    parser.add_argument("step", metavar="STEP", help="the step that waits")
    parser.add_argument("--comment", default="", help="why; kept in the journal")
    add_going_on(parser)
    parser.epilog = (
        "If no engine drives the run any more, it goes on here.\n\n"
        f"examples:\n  {parser.prog} last deploy --comment 'looked at the diff'\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Answer, and go on with the run here if nobody drives it."""
    async with context.journal() as journal:
        row = await context.find_run(journal, args.run)
        refuse_if_over(row)
        standing = await read_run(journal, row.run_id)
        _check(standing, args.step)
        done = {"approve": "approved", "reject": "rejected"}[args.command]
        return await ask_and_go_on(
            args,
            context,
            journal,
            row,
            kind=args.command,
            payload={"step": args.step, "comment": args.comment},
            done=f"{done} {args.step!r} of run {row.run_id}",
        )


def _check(standing: Standing, step_id: str) -> None:
    """Raises `UsageError` if the step does not wait for an answer."""
    step = standing.state.steps[step_index(standing, step_id)]
    if asks_a_person(step):
        return
    asking = asked_of(standing)
    hint = f"; waiting are {', '.join(asking[:5])}" if asking else "; no step is"
    raise UsageError(f"step {step_id!r} is not waiting for approval (it is {step.status}){hint}")
