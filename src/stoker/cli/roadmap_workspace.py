"""`stoker roadmap` over the projects of a workspace: run as one, the rest project by project."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
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

    each: dict[str, dict[str, Any]] = {}
    asked = getattr(args, "task", None)  # of `sync`
    for name, project in read(args.file).project.items():
        file = args.file.parent / project.path / project.roadmap
        own = {"file": file, "format": args.format or project.format}
        if not asked:
            each[name] = own
        elif tasks := _own(name, asked):
            each[name] = {**own, "task": tasks}
    return await _all(action, args, context, each)


async def of_each(action: Action, args: Namespace, context: Context) -> int | None:
    """Carry out an action on a run for each project of it, or for those that the tasks named by
    `--task`, `--accept` and `--reject` are of; None if the run is no workspace's."""
    from stoker.roadmaps.workspace import dependents, moving, parts

    async with context.journal() as journal:
        row = await find(args.run_id, context, journal)
        runs = await parts(journal, row.run_id)
        if not runs:
            return None
        named = {name: getattr(args, name) for name in ("task", "accept", "reject") if name in args}
        asked = [one for value in named.values() for one in _listed(value)]
        for one in asked:
            if one.partition(":")[0] not in runs or ":" not in one:
                known = ", ".join(runs)
                raise UsageError(f"{one}: expected PROJECT:ID, with a project of {known}")
        gone = "task" if args.action == "rollback" else "reject"
        if taken_back := [] if args.action == "reset" else _listed(named.get(gone)):
            above = await dependents(journal, row.run_id, runs, taken_back)
            if above and not getattr(args, "cascade", False):
                raise UsageError(
                    f"{', '.join(above)} depend on it: "
                    "--cascade of `stoker roadmap rollback` takes them back, too"
                )
            named[gone] = [*taken_back, *above]
    each = {}
    for name, run_id in reversed(runs.items()) if taken_back else runs.items():
        own = {key: _own(name, value) for key, value in named.items()}
        if any(own.values()) or not asked:
            each[name] = {**own, "run_id": run_id}
    status = await _all(action, args, context, each)
    if taken_back and status == exit_codes.SUCCEEDED:
        async with context.journal() as journal:
            plan = await moving(journal, row.run_id)
        return await carry_out(args, context, plan)
    return status


async def _all(
    action: Action, args: Namespace, context: Context, each: Mapping[str, dict[str, Any]]
) -> int:
    """Carry out an action with what is another for each project; the worst exit status."""
    worst, documents = exit_codes.SUCCEEDED, {}
    for name, own in each.items():
        if not getattr(args, "json", False):
            context.output.line(one_line(f"{name}:"))
        gathered: list[dict[str, Any]] = []
        own_args = Namespace(**{**vars(args), **own, "gathered": gathered})
        worst = max(worst, await action(own_args, context))
        if gathered:
            documents[name] = gathered[0]
    if documents:
        context.output.json({"projects": documents})
    return worst


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _own(project: str, value: Any) -> Any:
    own = [one.partition(":")[2] for one in _listed(value) if one.startswith(f"{project}:")]
    return own if isinstance(value, list) else own[0] if own else None
