"""`stoker events`: a run's journal, as it is or as it grows."""

from __future__ import annotations

import argparse
from contextlib import aclosing

import msgspec

from stoker.cli import given
from stoker.cli.ask import add_run
from stoker.cli.context import Context
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import Output, printable
from stoker.engine.follow import batches
from stoker.engine.view import iso
from stoker.journal.events import Event

_SHOWN = 200


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker events`."""
    add_run(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run is over")
    parser.add_argument("--jsonl", action="store_true", help="one JSON object on each line")
    parser.add_argument(
        "--after",
        type=given.at_least(0),
        default=0,
        metavar="SEQ",
        help="only events after this sequence",
    )
    parser.epilog = (
        "examples:\n"
        "  stoker events last --jsonl > run.jsonl\n"
        "  stoker events last -f --jsonl --after 120   # go on where a reader stopped\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Print or follow a run's events."""
    output = context.output
    async with context.journal() as journal:
        row = await context.find_run(journal, args.run)
        found = batches(journal, row.run_id, after=args.after, follow=args.follow)
        async with aclosing(found) as feed:
            async for events in feed:
                for event in events:
                    if args.jsonl:
                        output.json_line(event)
                    else:
                        output.line(_line(event, output))
                output.flush()
    return SUCCEEDED


def _line(event: Event, output: Output) -> str:
    who = event.step or ""
    if event.attempt is not None:
        who += f"#{event.attempt}"
    data = "".join(f" {key}={_value(value)}" for key, value in event.data.items())
    time = output.style(iso(event.time)[11:-1], "dim")
    head = f"{event.sequence:>6} {time} {event.type:<18}"
    return f"{head} {printable(who)}{data}".rstrip()


def _value(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
