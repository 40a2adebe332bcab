"""`stoker list`: the runs of the journal."""

from __future__ import annotations

import argparse
import time
from typing import Any, get_args

from stoker.cli.context import Context
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import printable, seconds
from stoker.cli.styles import status_style
from stoker.engine.view import activity, iso
from stoker.journal.base import RunRow
from stoker.journal.events import RunStatus


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
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most N (20)")
    parser.add_argument("--json", action="store_true", help="a JSON list of runs")
    parser.epilog = "examples:\n  stoker list --status failed --plan deploy\n"


async def run(args: argparse.Namespace, context: Context) -> int:
    """Print the newest runs."""
    output = context.output
    async with context.journal() as journal:
        rows = await journal.runs(limit=args.limit, plan_id=args.plan, status=args.status)
    if args.json:
        output.json([_document(row) for row in rows])
        return SUCCEEDED
    width = max((len(row.run_id) for row in rows), default=0)
    now = time.time()
    for row in rows:
        doing = activity(row)
        status = "interrupted" if doing == "interrupted" else row.status
        shown = output.style(f"{status:<11}", *status_style(status))
        words = [f"{row.run_id:<{width}}", shown, f"{_took(row, now, doing):>11}"]
        words.append(printable(row.plan_id))
        if doing == "interrupted":
            words.append(f"its engine died: {context.hint('resume', row.run_id)}")
        elif row.reason:
            words.append(printable(row.reason))
        elif doing == "parked":
            words.append(f"parked: {context.hint('show', row.run_id)}")
        if row.parent_run_id is not None:
            words.append(f"(nested in {row.parent_run_id})")
        output.line("  ".join(words))
    return SUCCEEDED


def _took(row: RunRow, now: float, doing: str) -> str:
    if row.started_at is None:
        return "-"
    if row.finished_at is None and doing in ("parked", "interrupted"):
        return "-"
    end = row.finished_at if row.finished_at is not None else now
    return seconds(end - row.started_at)


def _document(row: RunRow) -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "plan_id": row.plan_id,
        "plan_version": row.plan_version,
        "status": row.status,
        "reason": row.reason,
        "activity": activity(row),
        "created_at": iso(row.created_at),
        "started_at": iso(row.started_at) if row.started_at is not None else None,
        "finished_at": iso(row.finished_at) if row.finished_at is not None else None,
        "parent_run_id": row.parent_run_id,
        "parent_step_id": row.parent_step_id,
    }
