"""The options of every command that drives a run, and the view they choose."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stoker.cli.context import Context
    from stoker.cli.plain_view import Detail
    from stoker.cli.view import View
    from stoker.journal.base import Journal


def add_progress(parser: ArgumentParser) -> None:
    """`--wait`, `--json`, `--quiet` and `--verbose`."""
    parser.add_argument(
        "--wait",
        action="store_true",
        help="keep waiting for people instead of exiting with status 3",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print the run's events as JSON lines")
    how.add_argument("-q", "--quiet", action="store_true", help="print only what went wrong")
    how.add_argument("-v", "--verbose", action="store_true", help="print every start and retry")


async def choose_view(
    args: Namespace, context: Context, journal: Journal, plan_id: str, width: int | None = None
) -> View:
    """The view these options ask for; a live one where stdout is a terminal. `width`: how
    many steps run at once, if it is known."""
    if args.json:
        from stoker.cli.json_view import JsonView

        return JsonView(context)
    detail: Detail = "quiet" if args.quiet else "verbose" if args.verbose else "normal"
    if context.output.out.terminal and not args.quiet and context.environment.get("TERM") != "dumb":
        from stoker.cli.live_view import LiveView
        from stoker.engine.engine import processors

        durations = await journal.durations(plan_id)
        return LiveView(context, detail, durations, width or processors())
    from stoker.cli.plain_view import PlainView

    return PlainView(context, detail)
