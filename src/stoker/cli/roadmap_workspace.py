"""`stoker roadmap` over the projects of a workspace: run as one, the rest project by project."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line, printable

if TYPE_CHECKING:
    from pathlib import Path

    from stoker.plan.model import Plan
    from stoker.roadmaps.begin import Prepared

Action = Callable[[Namespace, Context], Awaitable[int]]


def is_workspace(file: Path) -> bool:
    """No plan file is TOML."""
    return file.suffix == ".toml"


async def prepared(
    args: Namespace,
    context: Context,
    over: dict[str, Any],
    show: Callable[[Context, Prepared], None],
) -> Plan | None:
    """The plan of all projects, their branches made; None if there is nothing to do, or it was
    only to be shown, which `show` does of each. Raises `PlanError`, `UsageError`."""
    from stoker.roadmaps.begin import open_branch
    from stoker.roadmaps.workspace import prepare
    from stoker.steps.registry import kinds

    wrong = {"--task": args.task, "--retry-failed": args.retry_failed, "--branch": args.branch}
    if given := [name for name, value in {**wrong, "--land": args.land}.items() if value]:
        raise UsageError(f"{given[0]} is for one project, not for a workspace")
    ready = await prepare(args.file.absolute(), context.directory, over, kinds=kinds())
    for name, one in ready.projects.items():
        for note in one.notes:
            context.output.note(printable(f"{name}: {note}"))
        if args.dry_run:
            context.output.line(one_line(f"{name}:"))
            show(context, one)
    if args.dry_run:
        return None
    if ready.plan is None:
        context.output.line("nothing is to be done")
        return None
    for one in ready.projects.values():
        await open_branch(one)
    return ready.plan


async def of_files(action: Action, args: Namespace, context: Context) -> int:
    """Carry out an action on each plan file of a workspace. Raises `PlanError`."""
    from stoker.roadmaps.workspace import read

    worst = exit_codes.SUCCEEDED
    for name, project in read(args.file).project.items():
        file = args.file.parent / project.path / project.roadmap
        own = {"file": file, "format": args.format or project.format}
        _title(name, args, context)
        worst = max(worst, await action(Namespace(**{**vars(args), **own}), context))
    return worst


async def of_each(action: Action, args: Namespace, context: Context) -> int | None:
    """Carry out an action on a run for each project of it, or for those that the tasks named by
    `--task` and `--accept` are of; None if the run is no workspace's."""
    from stoker.cli.roadmap_run import find
    from stoker.roadmaps.workspace import dependents, moving, parts

    async with context.journal() as journal:
        row = await find(args, context, journal)
        runs = await parts(journal, row.run_id)
        if not runs:
            return None
        named = {name: getattr(args, name) for name in ("task", "accept") if name in args}
        asked = [one for value in named.values() for one in _listed(value)]
        for one in asked:
            if one.partition(":")[0] not in runs or ":" not in one:
                known = ", ".join(runs)
                raise UsageError(f"{one}: expected PROJECT:ID, with a project of {known}")
        if args.action == "rollback":
            above = await dependents(journal, row.run_id, runs, asked)
            if above and not args.cascade:
                names = ", ".join(above)
                raise UsageError(f"{names} depend on it: --cascade takes them back, too")
            named["task"] = asked = [*asked, *above]
    worst = exit_codes.SUCCEEDED
    for name, run_id in reversed(runs.items()) if args.action == "rollback" else runs.items():
        own = {key: _own(name, value) for key, value in named.items()}
        if asked and not any(own.values()):
            continue
        _title(name, args, context)
        status = await action(Namespace(**{**vars(args), **own, "run_id": run_id}), context)
        worst = max(worst, status)
    if args.action == "rollback" and worst == exit_codes.SUCCEEDED:
        async with context.journal() as journal:
            plan = await moving(journal, row.run_id)
        return await drive_plan(args, context, plan)
    return worst


async def drive_plan(args: Namespace, context: Context, plan: Plan) -> int:
    """Run a plan of this program's own."""
    from stoker.cli.drive import drive
    from stoker.cli.progress import choose_view

    async with context.journal(durability=args.durability) as journal:
        view = await choose_view(args, context, journal, plan.plan_id)
        return await drive(context, journal, lambda engine: engine.start(plan), view)


def _title(name: str, args: Namespace, context: Context) -> None:
    if not getattr(args, "json", False):
        context.output.line(one_line(f"{name}:"))


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _own(project: str, value: Any) -> Any:
    own = [one.partition(":")[2] for one in _listed(value) if one.startswith(f"{project}:")]
    return own if isinstance(value, list) else own[0] if own else None
