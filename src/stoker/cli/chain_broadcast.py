"""`stoker chain broadcast`: what groups came to, sent; without `--send`, only tried and written."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stoker.cli import exit_codes
from stoker.cli.chain_view import add_settings, find, forge
from stoker.cli.context import Context
from stoker.cli.progress import add_progress, choose_view

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Its arguments."""
    broadcast = actions.add_parser(
        "broadcast",
        help="see whether what groups came to would go through now; with --send, send it",
        parents=[common],
    )
    broadcast.add_argument(
        "plan", metavar="PLAN", help="its id or the beginning of it; `last`: the newest"
    )
    broadcast.add_argument(
        "--group",
        type=int,
        action="append",
        metavar="N",
        help="only of this one; may be given again (default: all that are done)",
    )
    broadcast.add_argument(
        "--send",
        action="store_true",
        help="send it, through RPCs that have the sender's key (`signs = true` in the settings)",
    )
    broadcast.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where Foundry's `broadcast/` is written (default: here)",
    )
    add_settings(broadcast)
    add_progress(broadcast)
    broadcast.epilog = (
        "A broadcast is a run, a step for each transaction: after a crash `stoker resume` goes on\n"
        "with it, and sends nothing twice.\n"
    )


async def broadcast(args: Namespace, context: Context) -> int:
    """Try it, or send it. Raises `UsageError`, `BadFile`, `ChainError`."""
    from stoker.cli.drive import drive

    root = args.out.absolute()
    async with context.journal() as journal:
        plan = await find(context, journal, args.plan)
        if not args.send:
            async with context.engine(journal) as engine:
                written = await forge(engine, args).dry_run(plan.run_id, root, args.group)
            for path in written:
                context.output.line(str(path))
            context.output.note("all of it would go through; nothing is sent (--send sends it)")
            return exit_codes.SUCCEEDED

        async def begin(engine: Engine) -> RunHandle:
            run_id = await forge(engine, args).broadcast(plan.run_id, root, args.group)
            return next(one for one in engine.handles() if one.run_id == run_id)

        view = await choose_view(args, context, journal, "broadcast")
        return await drive(context, journal, begin, view)


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {"broadcast": broadcast}
