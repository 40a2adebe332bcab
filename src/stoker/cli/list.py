"""`stoker list`: the runs of the journal."""

from __future__ import annotations

import argparse
import time
from typing import get_args

from stoker.cli import given
from stoker.cli.context import Context
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import one_line, seconds, status_style
from stoker.cli.standing import hints, word
from stoker.engine.view import Standing, activity, read_run, view
from stoker.journal.base import RunRow
from stoker.journal.events import RunStatus
from stoker.wire.runs import summary


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker list`."""
    parser.add_argument(
        "--status",
        action="append",
        choices=get_args(RunStatus),
        metavar="STATUS",
        help=f"only runs with this status (repeatable): {', '.join(get_args(RunStatus))}",
    )
    parser.add_argument("--plan", metavar="PLAN_ID", help="only runs of this plan")
    parser.add_argument(
        "--limit", type=given.at_least(0), default=20, metavar="N", help="at most N (20)"
    )
    parser.add_argument("--json", action="store_true", help="a JSON list of runs")
    parser.epilog = "examples:\n  stoker list --status failed --plan deploy\n"


async def run(args: argparse.Namespace, context: Context) -> int:
    """Print the newest runs."""
    output = context.output
    async with context.journal() as journal:
        rows = await journal.runs(limit=args.limit, plan_id=args.plan, status=args.status)
        if args.json:
            output.json([summary(row) for row in rows])
            return SUCCEEDED
        standings = {
            row.run_id: await read_run(journal, row.run_id)
            for row in rows
            if activity(row) in ("parked", "interrupted")
        }
    width = max((len(row.run_id) for row in rows), default=0)
    now = time.time()
    for row in rows:
        doing = activity(row)
        status, hint = _standing(row, standings.get(row.run_id), context)
        shown = output.style(f"{status:<11}", *status_style(status))
        words = [f"{row.run_id:<{width}}", shown, f"{_took(row, now, doing):>11}"]
        words.append(one_line(row.plan_id))
        if hint or row.reason:
            words.append(hint or one_line(row.reason or ""))
        if row.parent_run_id is not None:
            words.append(f"(nested in {row.parent_run_id})")
        output.line("  ".join(words))
    return SUCCEEDED


def _standing(row: RunRow, standing: Standing | None, context: Context) -> tuple[str, str]:
    """The word for a run, and what to do about it, if anything is to be done."""
    if standing is None:
        paused = row.status == "paused"
        return row.status, f"paused: {context.hint('unpause', row.run_id)}" if paused else ""
    document = view(standing)
    return word(standing, document), next(iter(hints(standing, document, context)), "")


def _took(row: RunRow, now: float, doing: str) -> str:
    if row.started_at is None:
        return "-"
    if row.finished_at is None and doing in ("parked", "interrupted"):
        return "-"
    end = row.finished_at if row.finished_at is not None else now
    return seconds(end - row.started_at)
