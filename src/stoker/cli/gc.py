"""`stoker gc`: forget old runs."""

from __future__ import annotations

import argparse
import time

from stoker.cli import given
from stoker.cli.context import Context
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import plural
from stoker.engine.retention import Policy, collect

_KEEP = 50
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker gc`."""
    parser.add_argument(
        "--keep",
        type=given.at_least(0),
        metavar="N",
        help=f"keep the newest N finished runs of every plan ({_KEEP}; 0 with --older-than)",
    )
    parser.add_argument(
        "--older-than",
        type=_age,
        metavar="AGE",
        help="only runs that ended so long ago: 90min, 12h, 30d, 4w",
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.epilog = (
        "Deletes journal rows, logs and outputs of runs that are over, and run directories that\n"
        "belong to no run. Runs that are not over are never touched.\n\n"
        "examples:\n  stoker gc --older-than 30d --keep 10 --dry-run\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Delete what the options let go."""
    keep = args.keep if args.keep is not None else 0 if args.older_than is not None else _KEEP
    policy = Policy(keep=keep, older_than_sec=args.older_than or 0.0)
    output = context.output
    async with context.journal() as journal:
        done = await collect(
            journal, context.directory, policy, now=time.time(), dry_run=args.dry_run
        )
    if args.json:
        output.json(done)
        return SUCCEEDED
    word = "would delete" if args.dry_run else "deleted"
    for name in done.runs:
        output.line(f"{word} run {name}")
    for name in done.orphans:
        output.line(f"{word} directory {name}, which belongs to no run")
    size = f"{done.bytes / 1e6:.1f} MB"
    left = f"{done.kept} {'is' if done.kept == 1 else 'are'} left"
    output.line(f"{word} {plural(len(done.runs), 'run')} ({size}); {left}")
    return SUCCEEDED


def _age(text: str) -> float:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS.get(text[len(number) :] or "d")
    try:
        value = float(number)
    except ValueError:
        unit = None
        value = 0.0
    if unit is None or not 0 <= value < float("inf"):
        units = ", ".join(_UNITS)
        raise argparse.ArgumentTypeError(f"expected a number and one of {units}, found {text!r}")
    return value * unit
