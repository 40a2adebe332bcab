"""`stoker resume RUN`."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes, given
from stoker.cli.context import Context
from stoker.cli.output import printable
from stoker.cli.progress import add_progress, choose_view

if TYPE_CHECKING:
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.journal.base import Journal, RunRow


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker resume`."""
    parser.add_argument("run_id", metavar="RUN", help="id of the run, its beginning, or 'last'")
    given.add_inputs(parser)
    add_progress(parser)
    parser.add_argument("--resource", action="append", default=[], help=SUPPRESS)
    parser.add_argument(
        "--durability", choices=("process", "power"), default="process", help=SUPPRESS
    )
    parser.add_argument("--ready-fd", type=int, help=SUPPRESS)
    parser.epilog = (
        "examples:\n  stoker resume last\n  STOKER_INPUT_TOKEN=... stoker resume 2026 --wait\n\n"
        "Secret inputs are not kept in the journal: give them again."
    )


async def run(args: Namespace, context: Context) -> int:
    """Go on with a run where its journal stands."""
    async with context.journal(durability=args.durability) as journal:
        row = await context.find_run(journal, args.run_id)
        return await go_on(args, context, journal, row)


async def go_on(args: Namespace, context: Context, journal: Journal, row: RunRow) -> int:
    """Drive an existing run in the foreground; `args` has the options of `add_inputs` and
    `add_progress`. Returns the exit status."""
    import msgspec

    from stoker.cli.drive import drive
    from stoker.engine.lifecycle import RUN_OVER
    from stoker.engine.view import activity
    from stoker.plan.model import Plan

    if row.status in RUN_OVER:
        from stoker.cli.ask import PAST

        reason = f": {printable(row.reason)}" if row.reason else ""
        context.output.note(f"run {row.run_id} is over, it {PAST[row.status]}{reason}")
        return exit_codes.BY_STATUS[row.status]
    plan = msgspec.json.decode(await journal.plan_json(row.run_id), type=Plan)
    # Where an engine lives, that is what there is to tell.
    idle = activity(row) in ("parked", "interrupted")
    inputs: dict[str, Any] = (
        given.inputs_again(args, plan, context, row) if idle else given.inputs(args, plan, context)
    )
    view = await choose_view(
        args, context, journal, row.plan_id, row.options.get("max_concurrency")
    )
    ready_fd: int | None = getattr(args, "ready_fd", None)

    async def begin(engine: Engine) -> RunHandle:
        handle = await engine.resume(row.run_id, inputs=inputs, park=not args.wait)
        if ready_fd is not None:
            from stoker.cli.detach import tell_ready

            tell_ready(ready_fd)
        return handle

    resources = given.amounts(getattr(args, "resource", ()))
    return await drive(context, journal, begin, view, resources=resources)
