"""What the commands of `stoker roadmap` share: which run is meant, driving one, its end."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from stoker.cli import exit_codes, given
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line
from stoker.cli.progress import choose_view

if TYPE_CHECKING:
    from pathlib import Path

    from stoker.cli.plain_view import PlainView
    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.journal.base import Journal, RunRow
    from stoker.plan.model import Plan
    from stoker.roadmaps.differing import Differing, Known
    from stoker.roadmaps.standing import RunStanding, Standing
    from stoker.roadmaps.unit import Job

_MOST = 10
"""Tasks that are told of one by one."""


def add_run(parser: ArgumentParser) -> None:
    """Which run is meant."""
    parser.add_argument(
        "run_id", nargs="?", metavar="RUN", help="the run (default: the newest of a roadmap)"
    )


async def find(name: str | None, context: Context, journal: Journal) -> RunRow:
    """The run that is meant: without a name, or by `last`, the newest of a roadmap. Raises
    `UsageError`."""
    from stoker.roadmaps.standing import of_roadmaps

    if name and name != "last":
        return await context.find_run(journal, name)
    async for row in of_roadmaps(journal):
        if row.parent_run_id is None:
            return row
    raise UsageError("the journal holds no run of a roadmap yet; see `stoker roadmap run`")


async def standing_of(
    args: Namespace, context: Context
) -> tuple[RunStanding, Job, list[tuple[str, Standing]]]:
    """The run that is meant; and its units, and if no run was named what earlier ones have done
    of the same plan file, each with the run it is of. Raises `UsageError`."""
    from stoker.roadmaps.standing import standing

    async with context.journal() as journal:
        row = await find(args.run_id, context, journal)
        run = await standing(journal, row.run_id, context.directory / "runs")
        if run.job is None:
            raise UsageError(f"run {row.run_id} is no roadmap's")
        stand = [(run.run_id, one) for one in run.units]
        if not args.run_id:
            known = (await now_differing(journal, run, run.job)).known.values()
            earlier = {(one.run_id, one.standing.unit.id): one.standing for one in known}
            stand += [(name, one) for (name, _), one in earlier.items() if name != run.run_id]
    return run, run.job, stand


def unit_of(stand: Sequence[tuple[str, Standing]], task: str) -> tuple[str, Standing]:
    """The run that a task is of, and how it stands; what waits for review before the rest."""
    found = [one for one in stand if task in one[1].unit.ids]
    if found:
        return next((one for one in found if one[1].to_review), found[0])
    known = ", ".join(name for _, one in stand for name in one.unit.ids)
    raise UsageError(f"there is no task {task!r} in it; it has {known}")


async def drive(
    args: Namespace,
    context: Context,
    journal: Journal,
    plan_id: str,
    begin: Callable[[Engine], Awaitable[RunHandle]],
    *,
    width: int | None = None,
    lines: type[PlainView] | None = None,
) -> tuple[int, str]:
    """Drive a run that is begun or gone on with; the exit status, and its id."""
    from stoker.cli.drive import drive

    quiet = Namespace(json=False, quiet=True, verbose=False)
    shown = args if "quiet" in args else quiet
    view = await choose_view(shown, context, journal, plan_id, width, lines=lines)
    begun: list[str] = []

    async def noted(engine: Engine) -> RunHandle:
        handle = await begin(engine)
        begun.append(handle.run_id)
        return handle

    resources = given.amounts(args.resource) if "resource" in args else {}
    return await drive(context, journal, noted, view, resources=resources), begun[0]


def emit(args: Namespace, context: Context, document: dict[str, Any]) -> None:
    """Print a document, or keep it for the one of all projects of a workspace."""
    if "gathered" in args:
        args.gathered.append(document)
    else:
        context.output.json(document)


async def carry_out(args: Namespace, context: Context, plan: Plan) -> int:
    """Run a plan of this program's own; the exit status."""
    from stoker.engine.options import RunOptions

    options = RunOptions(cwd=str(context.cwd))
    async with context.journal(durability=vars(args).get("durability", "process")) as journal:
        done = await drive(
            args, context, journal, plan.plan_id, lambda engine: engine.start(plan, options=options)
        )
    return done[0]


async def conclude(args: Namespace, context: Context, run_id: str, status: int) -> int:
    """What follows a run, also what a crash has kept from being done: its sidecars, what a person
    is to know, and landing it. The exit status then."""
    from stoker.engine.creation import stored_plan
    from stoker.roadmaps import knowledge, sidecar
    from stoker.roadmaps.begun import settings_of
    from stoker.roadmaps.standing import standing
    from stoker.roadmaps.workspace import branches, parts

    async with context.journal() as journal:
        plan = await stored_plan(journal, run_id)
        projects = await parts(journal, run_id) or {"": run_id}
        moved = branches(plan) if status == exit_codes.SUCCEEDED else {}
        again, source = False, ""
        for name, part in projects.items():
            run = await standing(journal, part, context.directory / "runs")
            if (job := run.job) is None:
                continue
            await sidecar.project(run, job)
            await knowledge.remember(run, job)
            tell(context, job.source, await now_differing(journal, run, job), name)
            if status == exit_codes.SUCCEEDED and any(u.unmarked for u in run.units) and job.sync:
                status = exit_codes.FAILED
            source = "" if name else job.source
            branch = moved.get((job.root, job.branch), job.branch)
            again |= any(one.status in ("failed", "blocked", "deferred") for one in run.units)
            wanted = settings_of(await stored_plan(journal, part)).land
            if wanted and (moved or not name):
                status = await _land(context, job, branch, status)
            elif any(one.commit for one in run.units):
                told = f"the work is on the branch {branch}: git merge {branch}"
                context.output.note(f"{name}: {told}" if name else told)
    file = str(args.file) if "file" in args else _relative(context, source)
    if again and status == exit_codes.FAILED and (source or "file" in args):
        words = context.hint("roadmap", "run", file, "--retry-failed")
        context.output.note(f"what failed, once more: {words}")
    return status


async def now_differing(journal: Journal, run: RunStanding, job: Job) -> Differing:
    """Where the plan file of a run, as it is now, does not say what its runs do."""
    from stoker.roadmaps.differing import differing
    from stoker.roadmaps.format import NotReadable
    from stoker.roadmaps.writeback import read_again

    try:
        now = read_again(job)
    except NotReadable:  # what could not be ticked says why
        now = run.document
    return await differing(journal, now, job.plan_id)


def tell(context: Context, file: str | Path, found: Differing | None, project: str = "") -> None:
    """Say where a plan file, of a workspace's `project`, and its runs differ, and what to do."""
    if found is None:
        return
    before = f"{project}: " if project else ""
    for known, what, words in (
        (found.review, _review, ("review",)),
        (found.owed, _owed, ("sync", _relative(context, file))),
        (found.ticked, _ticked, ("review",)),
    ):
        units: dict[int, tuple[Known, list[str]]] = {}
        for name, one in known.items():
            units.setdefault(id(one.standing), (one, []))[1].append(name)
        for one, names in list(units.values())[:_MOST]:
            own = [name for name in names if name in one.standing.unit.ids] or names[:1]
            context.output.note(one_line(f"{before}{', '.join(own)} {what(one)}"))
        if len(units) > _MOST:
            context.output.note(f"... and {len(units) - _MOST} more")
        if units:
            context.output.note(f"  {context.hint('roadmap', *words)}")


def _review(one: Known) -> str:
    return f"waits for a person's review: {one.standing.reason}"


def _owed(one: Known) -> str:
    why = next(iter(one.standing.unmarked.values()))
    is_ = "is done, but not ticked" if one.standing.done else "is taken back, but still ticked"
    return f"{is_}: {why}"


def _ticked(one: Known) -> str:
    because = f": {one.standing.reason}" if one.standing.reason else ""
    return (
        f"is ticked, but run {one.run_id} has not shown that it is done: "
        f"it is {one.standing.status}{because}"
    )


def _relative(context: Context, file: str | Path) -> str:
    from pathlib import Path

    path = Path(file)
    return str(path.relative_to(context.cwd) if path.is_relative_to(context.cwd) else path)


async def _land(context: Context, job: Job, branch: str, status: int) -> int:
    """Merge what was done, if the run is over; the exit status then."""
    from msgspec.structs import replace

    from stoker.roadmaps.integration import land
    from stoker.workspace.errors import WorkspaceError
    from stoker.workspace.repository import Repository

    if status not in (exit_codes.SUCCEEDED, exit_codes.FAILED):
        return status  # parked, canceled, or it waits for a person
    try:
        repository = await Repository.open(job.root)
        made = await land(repository, replace(job, branch=branch), job.title)
    except WorkspaceError as error:
        context.output.note(f"{branch} is not merged into what is checked out: {error}")
        return status or exit_codes.FAILED
    context.output.note(f"{branch} is merged into what is checked out: {made[:10]}")
    return status
