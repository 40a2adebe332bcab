"""`stoker resume RUN`."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import TYPE_CHECKING

from stoker.cli import exit_codes, given
from stoker.cli.context import Context
from stoker.cli.output import printable
from stoker.cli.progress import add_progress, choose_view

if TYPE_CHECKING:
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker resume`."""
    parser.add_argument("run_id", metavar="RUN", help="id of the run, its beginning, or 'last'")
    given.add_inputs(parser)
    add_progress(parser)
    given.add_resources(parser)
    parser.add_argument("--ready-fd", type=int, help=SUPPRESS)
    parser.epilog = (
        "examples:\n  stoker resume last\n  STOKER_INPUT_TOKEN=... stoker resume 2026 --wait\n\n"
        "Secret inputs are not kept in the journal: give them again."
    )


async def run(args: Namespace, context: Context) -> int:
    """Drive a run in the foreground, from where its journal stands."""
    from stoker.cli.ask import PAST
    from stoker.cli.drive import drive
    from stoker.engine.creation import stored_plan
    from stoker.engine.lifecycle import RUN_OVER
    from stoker.engine.view import activity

    async with context.journal_of(args.run_id) as journal:
        row = await context.find_run(journal, args.run_id)
        if row.status in RUN_OVER:
            reason = f": {printable(row.reason)}" if row.reason else ""
            context.output.note(f"run {row.run_id} is over, it {PAST[row.status]}{reason}")
            return exit_codes.BY_STATUS[row.status]
        plan = await stored_plan(journal, row.run_id)
        # Where an engine lives, that is what there is to tell.
        idle = activity(row) in ("parked", "interrupted")
        inputs = (
            given.inputs_again(args, plan, context, row)
            if idle
            else given.inputs(args, plan, context)
        )
        width = row.options.get("max_concurrency")
        view = await choose_view(args, context, journal, row.plan_id, width)

        async def begin(engine: Engine) -> RunHandle:
            handle = await engine.resume(row.run_id, inputs=inputs, park=not args.wait)
            if args.ready_fd is not None:
                from stoker.cli.detach import tell_ready

                tell_ready(args.ready_fd)
            return handle

        resources = {**row.options.get("resources", {}), **given.amounts(args.resource)}
        return await drive(context, journal, begin, view, resources=resources)
