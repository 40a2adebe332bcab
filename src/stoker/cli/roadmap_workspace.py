"""`stoker roadmap` over the projects of a workspace: run as one, the rest project by project."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line
from stoker.cli.roadmap_runs import carry_out, find

if TYPE_CHECKING:
    from pathlib import Path

Action = Callable[[Namespace, Context], Awaitable[int]]


def is_workspace(file: Path) -> bool:
    """No plan file is TOML."""
    return file.suffix == ".toml"


async def of_files(action: Action, args: Namespace, context: Context) -> int:
    """Carry out an action on each plan file of a workspace. Raises `PlanError`."""
    from stoker.roadmaps.workspace import read

    worst = exit_codes.SUCCEEDED
    for name, project in read(args.file).project.items():
        file = args.file.parent / project.path / project.roadmap
        own = {"file": file, "format": args.format or project.format}
        if asked := getattr(args, "task", ()):  # of `sync`
            own["task"] = _own(name, asked)
            if not own["task"]:
                continue
        _title(name, args, context)
        worst = max(worst, await action(Namespace(**{**vars(args), **own}), context))
    return worst


async def of_each(action: Action, args: Namespace, context: Context) -> int | None:
    """Carry out an action on a run for each project of it, or for those that the tasks named by
    `--task`, `--accept` and `--reject` are of; None if the run is no workspace's."""
    from stoker.roadmaps.workspace import dependents, moving, parts

    async with context.journal() as journal:
        row = await find(args, context, journal)
        runs = await parts(journal, row.run_id)
        if not runs:
            return None
        named = {name: getattr(args, name) for name in ("task", "accept", "reject") if name in args}
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
        return await carry_out(args, context, plan)
    return worst


def _title(name: str, args: Namespace, context: Context) -> None:
    if not getattr(args, "json", False):
        context.output.line(one_line(f"{name}:"))


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _own(project: str, value: Any) -> Any:
    own = [one.partition(":")[2] for one in _listed(value) if one.startswith(f"{project}:")]
    return own if isinstance(value, list) else own[0] if own else None
