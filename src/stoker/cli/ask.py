"""Asking something of a run: a live engine is told and answers; a run that nobody drives is
gone on with here, or keeps the request for its next resume."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes, given
from stoker.cli.context import Context, UsageError
from stoker.cli.progress import add_progress, choose_view
from stoker.engine.ask import ask
from stoker.engine.commands import CommandRefused
from stoker.engine.creation import stored_plan
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.view import activity
from stoker.journal.base import CommandKind, Journal, RunRow
from stoker.journal.events import COMMAND_REFUSED, Event
from stoker.plan.inputs import resolve

if TYPE_CHECKING:
    from stoker.cli.progress import View


def add_run(parser: argparse.ArgumentParser) -> None:
    """The argument that names a run."""
    parser.add_argument("run", metavar="RUN", help="id or its beginning; `last`: the newest run")


def add_going_on(parser: argparse.ArgumentParser) -> None:
    """The options of commands that go on with a run which nobody drives."""
    parser.add_argument(
        "--no-resume",
        action="store_true",
        help="if no engine drives the run, only leave the request for its next resume",
    )
    given.add_inputs(parser)
    add_progress(parser)


async def find_open(context: Context, journal: Journal, name: str) -> RunRow:
    """The run a person means. Raises `UsageError` for one nothing can be asked of any more."""
    row = await context.find_run(journal, name)
    if row.status in RUN_OVER:
        raise UsageError(f"run {row.run_id} is over: it {PAST[row.status]}")
    return row


PAST = {"succeeded": "succeeded", "failed": "failed", "canceled": "was canceled"}


def person() -> str:
    """Who asks: the name of the user this process belongs to."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


async def ask_and_go_on(
    args: argparse.Namespace,
    context: Context,
    journal: Journal,
    row: RunRow,
    *,
    kind: CommandKind,
    payload: dict[str, Any],
    to: RunRow | None = None,
    done: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> int:
    """Ask, and go on with the run here if nobody drives it (unless `--no-resume`). `to`: the run
    that is asked, if it is one nested in that. `done` is what to say once the run's engine has
    done it; `on_event` hears of every event since. Raises what `ask` raises, and `UsageError` and
    `PlanError` for the inputs given."""
    values: dict[str, Any] = {}
    if not args.no_resume and activity(row) in ("parked", "interrupted"):
        # Before the request is durable: one that cannot be gone on with is not left behind.
        plan = await stored_plan(journal, row.run_id)
        values = given.inputs_again(args, plan, context, row)
        resolve(plan, {**row.inputs, **values})
    asked = await ask(journal, to or row, kind, payload, by=person())
    output = context.output
    if asked.events is not None:
        for event in asked.events:
            if on_event is not None:
                on_event(event)
        if done is not None:
            output.note(done)
        return exit_codes.SUCCEEDED
    if args.no_resume:
        output.note(f"nobody drives run {row.run_id}: the request waits for its next resume")
        output.note(f"go on with it: {context.hint('resume', row.run_id)}")
        return exit_codes.SUCCEEDED
    view = await choose_view(args, context, journal, row.plan_id)
    park, number = not args.wait, asked.number
    status = await go_on(context, journal, row, values, view, number, park=park, on_event=on_event)
    await _tell_of_parent(context, journal, row)
    return status


async def _tell_of_parent(context: Context, journal: Journal, row: RunRow) -> None:
    """A nested run that has ended here: the run it is part of does not hear of it by itself."""
    if row.parent_run_id is None or (await journal.run(row.run_id)).status not in RUN_OVER:
        return
    if activity(await journal.run(row.parent_run_id)) in ("parked", "interrupted"):
        command = context.hint("resume", row.parent_run_id)
        context.output.note(f"go on with the run it is part of: {command}")


async def go_on(
    context: Context,
    journal: Journal,
    row: RunRow,
    values: Mapping[str, Any],
    view: View,
    number: int,
    *,
    park: bool = True,
    on_event: Callable[[Event], None] | None = None,
) -> int:
    """Drive the run in the foreground, the command of that number being the first thing it deals
    with; `on_event` hears of every event before `view`. Returns the run's exit status. Raises
    `CommandRefused`, `PlanError`, `JournalError`."""
    from stoker.cli.drive import drive

    refusals: list[str] = []

    def hear(event: Event) -> None:
        if event.type == COMMAND_REFUSED and event.data.get("id") == number:
            refusals.append(str(event.data["error"]))
        if on_event is not None:
            on_event(event)

    status = await drive(
        context,
        journal,
        lambda engine: engine.resume(row.run_id, inputs=values, park=park),
        view,
        resources=row.options.get("resources"),
        on_event=hear,
    )
    if refusals:
        raise CommandRefused(refusals[0])
    return status
