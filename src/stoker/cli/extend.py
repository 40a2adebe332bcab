"""`stoker extend`: give a run new steps."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stoker.cli.ask import add_run, find_open, person
from stoker.cli.context import Context
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import plural
from stoker.engine.ask import ask
from stoker.engine.view import read_run


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker extend`."""
    add_run(parser)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a list of steps or a map with `steps`, JSON or YAML; - for stdin",
    )
    parser.epilog = (
        "New steps may depend on those the run has. They are validated against the whole run\n"
        "before anything is changed.\n\n"
        "examples:\n  stoker extend last more.yaml\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Validate new steps and send them to the run. Raises `PlanError`."""
    from stoker.plan.loader import load_steps
    from stoker.steps.registry import kinds

    text, name = _read(args.file)
    async with context.journal() as journal:
        row = await find_open(context, journal, args.run)
        state = (await read_run(journal, row.run_id)).state
        cwd = row.options.get("cwd", "")
        steps = load_steps(text, plan=state.whole, kinds=kinds(), name=name, cwd=cwd)
        asked = await ask(journal, row, "extend", {"steps": text, "name": name}, by=person())
    count = plural(len(steps), "step")
    if asked.events is None:
        context.output.note(f"nobody drives run {row.run_id}: {count} will be added when it is")
        context.output.note(f"go on with it: {context.hint('resume', row.run_id)}")
    else:
        context.output.note(f"added {count} to run {row.run_id}")
    return SUCCEEDED


def _read(file: str) -> tuple[str, str]:
    """The text, and what problems call it."""
    if file == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace"), "<stdin>"
    return Path(file).read_bytes().decode("utf-8", "replace"), file
