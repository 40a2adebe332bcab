"""`stoker roadmap run`, `next` and `resume`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stoker.cli import exit_codes, given, roadmap_workspace
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line, printable
from stoker.cli.progress import add_progress, choose_view
from stoker.cli.roadmap_file import normalised

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.journal.base import Journal, RunRow
    from stoker.plan.model import Plan
    from stoker.roadmaps.begin import Prepared
    from stoker.roadmaps.unit import Job

_STRATEGIES: Final = (
    *("retry_with_context", "rollback_failed", "rollback_all", "branch_and_merge"),
    *("skip", "manual"),
)
_EPILOG: Final = """\
Work is done in git worktrees and gathered on the branch roadmap/NAME: of your checkout only
the marks in the plan file and .executor/ are written.

examples:
  stoker roadmap run ROADMAP.md --agent CODEX
  stoker roadmap run specs/001-login/tasks.md --parallel 3 --max-tasks 5 --dry-run
  stoker roadmap resume
"""


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Their arguments."""
    run = actions.add_parser("run", help="have agents complete a plan file", parents=[common])
    run.epilog = _EPILOG
    _file(run)
    _settings(run)
    mode = run.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="show what would be done, in order")
    mode.add_argument("--manual", action="store_true", help="only what `stoker next` releases")
    which = run.add_mutually_exclusive_group()
    which.add_argument("--task", action="append", metavar="ID", help="only this task (repeatable)")
    which.add_argument(
        "--retry-failed", action="store_true", help="only what failed in the newest run"
    )
    run.add_argument("--run-id", metavar="ID", help="id of the new run (default: from the time)")
    given.add_engine(run)
    add_progress(run)

    nxt = actions.add_parser("next", help="do the next task of a plan file", parents=[common])
    _file(nxt)
    _settings(nxt)
    nxt.add_argument("--run-id", metavar="ID", help="id of the new run")
    nxt.add_argument("--dry-run", action="store_true", help="show which that is")
    given.add_engine(nxt)
    add_progress(nxt)

    resume = actions.add_parser("resume", help="go on with a roadmap's run", parents=[common])
    add_run(resume)
    given.add_engine(resume)
    add_progress(resume)


def _file(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a plan file, their directory, or a workspace"
    )
    parser.add_argument("--format", metavar="NAME", help="what it is (default: recognised)")
    parser.add_argument("--tag", metavar="NAME", help="the tag of a Task Master file")
    parser.add_argument(
        "--normalize-with-llm",
        action="store_true",
        help="have a model read what no format fits ($STOKER_NORMALIZE_MODEL, else --model)",
    )
    parser.add_argument(
        "--include-fenced", action="store_true", help="boxes in fenced code are tasks, too"
    )


def add_run(parser: ArgumentParser) -> None:
    """Which run is meant."""
    parser.add_argument(
        "run_id", nargs="?", metavar="RUN", help="the run (default: the newest of a roadmap)"
    )


def _settings(parser: ArgumentParser) -> None:
    add = parser.add_argument_group("settings, before those of .stoker/roadmap.toml").add_argument
    many = given.at_least(1)
    add("-a", "--agent", metavar="EXECUTOR[:VARIANT]", help="profile (default: BUILTIN)")
    for what in ("phase", "task"):
        add(
            f"--{what}-agent",
            action="append",
            default=[],
            type=_of_one,
            metavar=f"{what.upper()}=EXECUTOR[:VARIANT]",
            help=f"profile for one {what} (repeatable)",
        )
    add("--model", metavar="NAME", help="the agent's model (default: the profile's)")
    add("--reviewer", metavar="EXECUTOR[:VARIANT]", help="a second agent, which may refuse it")
    add("--verify-mode", metavar="MODE", help="auto, agent, skip, or the name of a test runner")
    add("--test-command", metavar="SHELL", help="verify by it (default: what the project declares)")
    add("--strategy", choices=_STRATEGIES, help="what becomes of work that is not verified")
    add("--retries", type=given.at_least(0), metavar="N", help="of each task (default: 2)")
    add("--timeout", type=float, metavar="SECONDS", help="of one try")
    add(
        "--adaptive-mode",
        choices=("no_adapt", "suggest", "auto_fix"),
        help="what becomes of suggestions that follow from a failure (default: suggest)",
    )
    add("--execution-mode", choices=("task", "todo"), help="todo: each subtask by itself")
    add("--grouping", choices=("none", "section", "smart"), help="tasks that are done together")
    add("--parallel", type=many, metavar="N", help="tasks at once (default: 1)")
    add("--memory-budget", type=given.at_least(0), metavar="TOKENS", help="of what is told beside")
    add("--max-tasks", type=many, metavar="N", help="at most so many")
    add("--require-approval", type=many, metavar="N", help="a person's yes after every N tasks")
    add("--checkpoint", type=many, metavar="N", help="a tag after every N tasks")
    add(
        "--pause-destructive",
        action="store_const",
        const=True,
        help="commands of agents that destroy something wait for `stoker approve`",
    )
    add("--ignore-gates", action="store_const", const=True, help="whatever checklists are open")
    add("--optional", action="store_const", const=True, help="optional tasks, too")
    add("--land", action="store_const", const=True, help="merge the work at the end")
    add("--branch", metavar="NAME", help="gather the work there (default: roadmap/NAME)")
    add("--budget", type=float, metavar="USD", help="of the whole run")
    add("--budget-tokens", type=many, metavar="N", help="of the whole run")
    failing = parser.add_mutually_exclusive_group()
    failing.add_argument(
        "--stop-on-failure",
        dest="on_failure",
        action="store_const",
        const="stop",
        help="end with the first task that fails",
    )
    failing.add_argument(
        "--continue-on-failure",
        dest="on_failure",
        action="store_const",
        const="continue",
        help="go on with what does not depend on it (default)",
    )
    ticking = parser.add_mutually_exclusive_group()
    ticking.add_argument("--sync", action="store_const", const=True, help="tick the file (default)")
    ticking.add_argument(
        "--no-sync", dest="sync", action="store_const", const=False, help="leave it as it is"
    )


_NAMES: Final = {
    "verify_mode": "verify",
    "test_command": "command",
    "timeout": "timeout_sec",
    "adaptive_mode": "adapt",
    "execution_mode": "mode",
    "require_approval": "approve_every",
    "checkpoint": "checkpoint_every",
    "memory_budget": "context",
}
_OPTIONS: Final = (
    *("agent", "model", "reviewer", "verify_mode", "test_command", "strategy", "retries"),
    *("timeout", "adaptive_mode", "execution_mode", "grouping", "parallel", "max_tasks"),
    *(
        "memory_budget",
        "require_approval",
        "pause_destructive",
        "checkpoint",
        "ignore_gates",
        "optional",
        "land",
        "branch",
    ),
    *("on_failure", "sync"),
)


def _of_one(text: str) -> tuple[str, str]:
    name, _, profile = text.partition("=")
    if not name or not profile:
        raise ArgumentTypeError(f"expected ID=EXECUTOR[:VARIANT], found {text!r}")
    return name, profile


def settings(args: Namespace) -> dict[str, Any]:
    """What the command line says, as the settings call it."""
    said = {_NAMES.get(name, name): getattr(args, name) for name in _OPTIONS}
    found = {name: value for name, value in said.items() if value is not None}
    for what in ("phase", "task"):
        found[what] = {name: {"agent": one} for name, one in getattr(args, f"{what}_agent")}
    budget = {"cost_usd": args.budget, "tokens": args.budget_tokens}
    return {**found, "budget": {name: value for name, value in budget.items() if value is not None}}


async def _prepared(args: Namespace, context: Context, **more: Any) -> Prepared:
    from stoker.roadmaps.begin import prepare
    from stoker.roadmaps.format import Reading
    from stoker.steps.registry import kinds

    if args.normalize_with_llm:
        model = context.environment.get("STOKER_NORMALIZE_MODEL") or args.model
        await normalised(args.file, context, model)
    prepared = await prepare(
        args.file.absolute(),
        context.directory,
        {**settings(args), **more},
        kinds=kinds(),
        format=args.format,
        reading=Reading(include_fenced=args.include_fenced, tag=args.tag),
    )
    phases = {phase.id for phase in prepared.roadmap.phases}
    tasks = {task.id for task in prepared.roadmap.walk()}
    for what, known in (("phase", phases), ("task", tasks)):
        if unknown := {name for name, _ in getattr(args, f"{what}_agent")} - known:
            raise UsageError(f"{prepared.roadmap.source}: there is no {what} {min(unknown)}")
    for note in prepared.notes:
        context.output.note(printable(note))
    return prepared


async def start(args: Namespace, context: Context) -> int:
    """Run a plan file, or those of a workspace."""
    if roadmap_workspace.is_workspace(args.file):
        plan = await roadmap_workspace.prepared(args, context, settings(args), _show)
        if plan is None:
            return exit_codes.SUCCEEDED
        return await _drive(args, context, plan, str(args.file.absolute().parent), None)
    more: dict[str, Any] = {"only": args.task} if args.task else {}
    if args.retry_failed:
        more["only"] = await _failed(args, context)
    return await _start(args, context, await _prepared(args, context, **more))


async def _failed(args: Namespace, context: Context) -> list[str]:
    """Tasks that failed in the newest run of this plan file, and those that waited for them."""
    import os

    from stoker.roadmaps.standing import standing

    source = os.path.abspath(args.file)  # noqa: PTH100, ASYNC240 - asks nothing of the disk
    async with context.journal() as journal:
        async for row in _of_roadmaps(journal):
            run = await standing(journal, row.run_id)
            if run.job is not None and run.job.source == source:
                break
        else:
            raise UsageError(f"the journal holds no run of {args.file} yet")
    states = ("failed", "blocked", "deferred")
    if found := [name for one in run.units if one.status in states for name in one.unit.ids]:
        return found
    raise UsageError(f"no task of run {row.run_id} failed")


async def next_(args: Namespace, context: Context) -> int:
    """Run its next task."""
    return await _start(args, context, await _prepared(args, context, max_tasks=1))


async def _start(args: Namespace, context: Context, prepared: Prepared) -> int:
    from stoker.roadmaps.begin import open_branch

    output = context.output
    plan = prepared.plan
    if args.dry_run or plan is None:
        _show(context, prepared)
        return exit_codes.SUCCEEDED
    async with context.journal(create=True, durability=args.durability) as journal:
        await _alone(context, journal, prepared.job)
        await open_branch(prepared)
    status = await _drive(args, context, plan, prepared.job.root, prepared.settings.parallel)
    if prepared.settings.land:
        status = await _land(context, prepared.job, status)
    else:
        branch = prepared.job.branch
        output.note(f"the work is on the branch {branch}: git merge {branch}")
    if status == exit_codes.FAILED:
        again = context.hint("roadmap", "run", str(args.file), "--retry-failed")
        output.note(f"what failed, once more: {again}")
    return status


async def _drive(
    args: Namespace, context: Context, plan: Plan, root: str, width: int | None
) -> int:
    from stoker.cli.drive import drive
    from stoker.cli.roadmap_view import RoadmapView
    from stoker.cli.run import run_id
    from stoker.engine.options import RunOptions

    async with context.journal(create=True, durability=args.durability) as journal:
        view = await choose_view(args, context, journal, plan.plan_id, width, lines=RoadmapView)

        async def begin(engine: Engine) -> RunHandle:
            return await engine.start(
                plan,
                options=RunOptions(cwd=root, manual=getattr(args, "manual", False)),
                run_id=run_id(args),
                park=not args.wait,
            )

        resources = given.amounts(args.resource)
        return await drive(context, journal, begin, view, resources=resources)


async def _alone(context: Context, journal: Journal, job: Job) -> None:
    """Raises `UsageError`: a run that is not over would do the same tasks."""
    from stoker.engine.lifecycle import RUN_OVER
    from stoker.roadmaps.standing import standing

    async for row in _of_roadmaps(journal):
        if row.status in RUN_OVER:
            continue
        other = (await standing(journal, row.run_id)).job
        if other is not None and (other.source, other.branch) == (job.source, job.branch):
            raise UsageError(
                f"run {row.run_id} of this plan file is not over: "
                f"{context.hint('roadmap', 'resume', row.run_id)}, "
                f"or {context.hint('cancel', row.run_id)}"
            )


async def _land(context: Context, job: Job, status: int) -> int:
    """Merge what was done, if the run is over; the exit code then."""
    from stoker.roadmaps.integration import land
    from stoker.workspace.errors import WorkspaceError
    from stoker.workspace.repository import Repository

    if status not in (exit_codes.SUCCEEDED, exit_codes.FAILED):
        return status  # parked, canceled, or it waits for a person
    try:
        made = await land(await Repository.open(job.root), job, job.title)
    except WorkspaceError as error:
        context.output.note(f"not merged into what is checked out: {error}")
        return status or exit_codes.FAILED
    context.output.note(f"merged into what is checked out: {made[:10]}")
    return status


def _show(context: Context, prepared: Prepared) -> None:
    if not prepared.units:
        context.output.line("nothing is to be done")
    for placed in prepared.units:
        unit = placed.unit
        waits = ", ".join(prepared.units[other].unit.id for other in placed.waits)
        after = f"  (after {waits})" if waits else ""
        said = unit.options.agent
        names = ", ".join(unit.ids)
        context.output.line(one_line(f"{names}: {unit.title}  [{said}]{after}"))


async def find(args: Namespace, context: Context, journal: Journal) -> RunRow:
    """The run that is meant. Raises `UsageError`."""
    if args.run_id:
        return await context.find_run(journal, args.run_id)
    async for row in _of_roadmaps(journal):
        return row
    raise UsageError("the journal holds no run of a roadmap yet; see `stoker roadmap run`")


async def _of_roadmaps(journal: Journal) -> AsyncIterator[RunRow]:
    """The runs of roadmaps, the newest first: each try has left a run of its own after them."""
    before = None
    while rows := await journal.runs(limit=1000, before=before):
        for row in rows:
            if row.parent_run_id is None and row.plan_id.startswith("roadmap-"):
                yield row
        before = (rows[-1].created_at, rows[-1].run_id)


async def resume(args: Namespace, context: Context) -> int:
    """Go on with a run."""
    from stoker.cli.drive import drive
    from stoker.cli.roadmap_view import RoadmapView
    from stoker.engine.creation import stored_plan
    from stoker.engine.lifecycle import RUN_OVER
    from stoker.roadmaps import knowledge, sidecar
    from stoker.roadmaps.standing import standing

    async with context.journal(durability=args.durability) as journal:
        row = await find(args, context, journal)

        async def begin(engine: Engine) -> RunHandle:
            return await engine.resume(row.run_id, park=not args.wait)

        if row.status in RUN_OVER:
            context.output.note(f"run {row.run_id} is over: it {row.status}")
            status = exit_codes.BY_STATUS[row.status]
        else:
            view = await choose_view(args, context, journal, row.plan_id, lines=RoadmapView)
            resources = given.amounts(args.resource)
            status = await drive(context, journal, begin, view, resources=resources)
        run = await standing(journal, row.run_id)
        if (job := run.job) is None:
            return status
        # What follows the end of a run, which a crash may have kept from being done.
        await sidecar.project(run, job)
        await knowledge.remember(run, job)
        settings = (await stored_plan(journal, row.run_id)).metadata.get("settings", {})
        if settings.get("land"):
            status = await _land(context, job, status)
        return status


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {
    "run": start,
    "next": next_,
    "resume": resume,
}
