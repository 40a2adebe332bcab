"""`stoker roadmap`: plan files that coding agents complete, verified."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import Final

from stoker.cli import (
    roadmap_decide,
    roadmap_file,
    roadmap_run,
    roadmap_sync,
    roadmap_work,
    roadmap_workspace,
)
from stoker.cli.context import Context

_PARTS: Final = (roadmap_run, roadmap_file, roadmap_sync, roadmap_work, roadmap_decide)
"""Modules with actions: `register(actions, common)` and `ACTIONS`."""


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker roadmap`."""
    common = ArgumentParser(add_help=False, argument_default=SUPPRESS)
    common.add_argument("--db", metavar="PATH|URL", help="the journal")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for part in _PARTS:
        part.register(actions, common)


async def run(args: Namespace, context: Context) -> int:
    """Carry out an action. Raises `UsageError`, `PlanError`, `JournalError`."""
    action = next(part.ACTIONS[args.action] for part in _PARTS if args.action in part.ACTIONS)
    if args.action in ("parse", "status", "sync") and roadmap_workspace.is_workspace(args.file):
        return await roadmap_workspace.of_files(action, args, context)
    status: int | None = None
    if args.action in ("review", "suggest", "rollback", "reset"):
        status = await roadmap_workspace.of_each(action, args, context)
    return await action(args, context) if status is None else status
