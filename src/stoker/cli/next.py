"""`stoker next`: release the next batch of a manual run."""

from __future__ import annotations

import argparse

from stoker.cli.ask import add_going_on, add_run, ask_and_go_on, find_open
from stoker.cli.context import Context, UsageError
from stoker.cli.output import Output, one_line
from stoker.engine.machine import Receipt, receipt
from stoker.engine.view import read_run
from stoker.journal.events import RUN_ADVANCED, Event


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker next`."""
    add_run(parser)
    add_going_on(parser)
    parser.epilog = (
        "Prints at once what was released (as JSON lines with --json), then, if no engine drives\n"
        "the run, drives that batch until it has ended.\n\n"
        "examples:\n  stoker next last\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Release the next batch, and drive it here if nobody does."""
    async with context.journal_of(args.run) as journal:
        row = await find_open(context, journal, args.run)
        if not row.options.get("manual"):
            raise UsageError(
                f"run {row.run_id} releases its steps by itself; `next` is for runs that were "
                "started with --manual"
            )
        state = (await read_run(journal, row.run_id)).state
        output = context.output
        released: list[str] = []

        def receipts(event: Event) -> None:
            if event.type == RUN_ADVANCED:
                released.extend(event.data["steps"])
                for step_id in event.data["steps"]:
                    _print(receipt(state, step_id), output, json=args.json)

        status = await ask_and_go_on(
            args,
            context,
            journal,
            row,
            kind="next",
            payload={},
            on_event=receipts,
        )
        if not released and not args.no_resume:
            output.note(f"nothing of run {row.run_id} was ready to be released")
        return status


def _print(receipt: Receipt, output: Output, *, json: bool) -> None:
    if json:
        output.json_line(receipt)
    else:
        name = f" ({one_line(receipt.name)})" if receipt.name != receipt.step_id else ""
        output.line(f"released {one_line(receipt.step_id)}{name} as {receipt.execution_id}")
