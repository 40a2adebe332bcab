"""`stoker unpause`, `approve`, `reject` and `resolve`: a person's word that lets a run go on."""

from __future__ import annotations

import argparse

from stoker.cli.ask import add_going_on, add_run, ask_and_go_on, find_open
from stoker.cli.context import Context
from stoker.cli.show import step_index
from stoker.cli.standing import one_question
from stoker.engine.ask import check
from stoker.engine.view import Standing, asks_a_person, read_run

_EXAMPLES = {
    "unpause": "unpause last",
    "approve": "approve last deploy --comment 'looked at the diff'",
    "reject": "reject last deploy --comment 'looked at the diff'",
    "resolve": "resolve last publish succeeded --comment 'it is on the index'",
}


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of one of them."""
    name = parser.prog.rpartition(" ")[2]
    add_run(parser)
    if name == "resolve":
        parser.add_argument("step", metavar="STEP", help="the quarantined step")
        parser.add_argument(
            "outcome", choices=("rerun", "succeeded", "failed"), help="what to take it for"
        )
    elif name != "unpause":
        parser.add_argument("step", metavar="STEP", help="the step that waits")
    if name != "unpause":
        parser.add_argument("--comment", default="", help="why; kept in the journal")
    add_going_on(parser)
    parser.epilog = (
        "If no engine drives the run any more, it goes on here.\n\n"
        f"examples:\n  stoker {_EXAMPLES[name]}\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Say it, and go on with the run here if nobody drives it."""
    async with context.journal_of(args.run) as journal:
        row = await find_open(context, journal, args.run)
        done = f"run {row.run_id} goes on"
        given = {name: getattr(args, name, None) for name in ("step", "outcome", "comment")}
        to = row
        if args.command != "unpause":
            asked, step_id = _meant(await read_run(journal, row.run_id), args)
            done, to = _checked(asked, step_id, args), asked.row
            given["step"] = step_id
        return await ask_and_go_on(
            args,
            context,
            journal,
            row,
            to=to,
            kind=args.command,
            payload={name: value for name, value in given.items() if value is not None},
            done=done,
        )


def _meant(standing: Standing, args: argparse.Namespace) -> tuple[Standing, str]:
    """The run and the step that a person means by a step: if what is nested in it asks one thing,
    that. Raises `UsageError`."""
    step = standing.state.steps[step_index(standing, args.step)]
    inner = standing.nested.get(args.step)
    if args.command == "resolve" or asks_a_person(step) or inner is None or not one_question(inner):
        return standing, args.step
    ((run, asking),) = inner.asking
    return run, asking.step.id


def _checked(standing: Standing, step_id: str, args: argparse.Namespace) -> str:
    """What to say once it is done. Raises `CommandRefused` if it does not wait for that."""
    check(standing, args.command, standing.state.steps[step_index(standing, step_id)])
    if args.command == "resolve":
        return f"{step_id!r} of run {standing.row.run_id}: {args.outcome}"
    done = "approved" if args.command == "approve" else "rejected"
    return f"{done} {step_id!r} of run {standing.row.run_id}"
