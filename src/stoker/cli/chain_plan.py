"""`stoker chain run`, `plan`, `next` and `extend`: plans of groups, begun and led."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stoker.cli import exit_codes, next
from stoker.cli.ask import add_going_on, find_open, person
from stoker.cli.chain_view import Results, add_settings, find, forge, tell
from stoker.cli.context import Context
from stoker.cli.output import plural
from stoker.cli.progress import choose_view

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.chains.group import OperationGroup
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Their arguments."""
    run = actions.add_parser("run", help="do all groups of a file", parents=[common])
    _add_file(run)
    add_settings(run)
    how = run.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print results as JSON lines")
    how.add_argument("-q", "--quiet", action="store_true", help="print only what went wrong")
    how.add_argument("-v", "--verbose", action="store_true", help="print every start and retry")

    plan = actions.add_parser(
        "plan", help="write a plan of groups down; `next` has them begin", parents=[common]
    )
    _add_file(plan)
    add_settings(plan)
    plan.add_argument("--json", action="store_true", help="as JSON")

    again = actions.add_parser(
        "next", help="do all groups of a plan that can be begun", parents=[common]
    )
    _add_plan(again)
    add_going_on(again)

    extend = actions.add_parser("extend", help="give a plan more groups", parents=[common])
    _add_plan(extend)
    _add_file(extend)


def _add_file(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="GROUPS.json", help="the groups; - for stdin")


def _add_plan(parser: ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="PLAN", help="its id or the beginning of it; `last`: the newest"
    )


async def run(args: Namespace, context: Context) -> int:
    """Do all groups of a file; the exit status. Raises `BadGroups`, `BadFile`."""
    groups = _read(args.file)
    return await drive(args, context, groups)


async def drive(
    args: Namespace, context: Context, groups: tuple[OperationGroup, ...], *, details: bool = False
) -> int:
    """Do these groups, and tell what came of each; `details`: with what is in their reports.
    Raises `BadFile`."""
    from stoker.cli.drive import drive

    begun: list[RunHandle] = []

    async def begin(engine: Engine) -> RunHandle:
        plan_id = await forge(engine, args).create_plan(groups, automatic=True)
        begun.extend(one for one in engine.handles() if one.run_id == plan_id)
        return begun[0]

    async with context.journal(create=True) as journal:
        if args.json:
            return await drive(context, journal, begin, Results(context))
        view = await choose_view(args, context, journal, "chain", len(groups))
        status = await drive(context, journal, begin, view)
        tell(context, begun[0].state, details=details)
        return status


async def plan(args: Namespace, context: Context) -> int:
    """Write a plan down. Raises `BadGroups`, `BadFile`."""
    groups = _read(args.file)
    async with context.journal(create=True) as journal, context.engine(journal) as engine:
        found = await forge(engine, args).set_execution_plan(groups)
    if args.json:
        context.output.json(found)
    else:
        context.output.line(f"plan {found.plan_id} of {plural(found.total_groups, 'group')}")
        context.output.note(f"begin: {context.hint('chain', 'next', found.plan_id)}")
    return exit_codes.SUCCEEDED


async def go_on(args: Namespace, context: Context) -> int:
    """Do the groups that can be begun; what comes of them is told. Raises `UsageError`."""
    from stoker.chains.results import results
    from stoker.engine.view import read_run

    async with context.journal() as journal:
        row = await find(context, journal, args.run)
        before = len(results((await read_run(journal, row.run_id)).state))
    args.run = row.run_id
    status = await next.run(args, context)
    async with context.journal() as journal:
        state = (await read_run(journal, row.run_id)).state
    if not args.json and len(results(state)) > before:
        tell(context, state)
    return exit_codes.SUCCEEDED if status == exit_codes.WAITING else status


async def extend(args: Namespace, context: Context) -> int:
    """Append groups. Raises `BadGroups`, `UsageError`."""
    from stoker.chains.plan import group_of, more, settings_of
    from stoker.chains.reading import loads
    from stoker.engine.ask import ask
    from stoker.engine.view import read_run

    async with context.journal() as journal:
        row = await find_open(context, journal, (await find(context, journal, args.run)).run_id)
        state = (await read_run(journal, row.run_id)).state
        there = [group_of(step.step) for step in state.steps]
        added = loads(_text(args.file), there)
        steps = more(added, len(there), settings_of(state))
        payload = {"steps": steps, "name": args.file}
        asked = await ask(journal, row, "extend", payload, by=person())
    count = plural(len(added), "group")
    if asked.events is None:
        context.output.note(f"nobody drives plan {row.run_id}: {count} will be added when it is")
        context.output.note(f"go on with it: {context.hint('chain', 'next', row.run_id)}")
    else:
        context.output.note(f"added {count} to plan {row.run_id}")
    return exit_codes.SUCCEEDED


def _read(file: str) -> tuple[OperationGroup, ...]:
    from stoker.chains.reading import loads

    return loads(_text(file))


def _text(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {
    "run": run,
    "plan": plan,
    "next": go_on,
    "extend": extend,
}
