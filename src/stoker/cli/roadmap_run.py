"""`stoker roadmap run`, `next` and `resume`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from stoker.cli import exit_codes, given
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line, printable
from stoker.cli.progress import add_progress
from stoker.cli.roadmap_file import add_model, add_reading, normalised, reading
from stoker.cli.roadmap_runs import add_run, conclude, drive, find, tell
from stoker.cli.roadmap_workspace import is_workspace
from stoker.roadmaps.settings import Adapt, Strategy

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.journal.base import Journal
    from stoker.plan.model import Plan
    from stoker.roadmaps.begin import Prepared
    from stoker.roadmaps.order import Placed

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
    which.add_argument(
        "--task", dest="only", action="append", metavar="ID", help="only this task (repeatable)"
    )
    which.add_argument(
        "--retry-failed", action="store_true", help="only what failed, or waits for review"
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
    add_reading(parser)
    add_model(parser)


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
    add("--strategy", choices=get_args(Strategy), help="what becomes of work that is not verified")
    add("--retries", type=given.at_least(0), metavar="N", help="of each task (default: 2)")
    add("--timeout", type=float, metavar="SECONDS", help="of one try")
    add(
        "--adaptive-mode",
        choices=get_args(Adapt),
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
    for flag, value, told in (
        ("--stop-on-failure", "stop", "end with the first task that fails"),
        ("--continue-on-failure", "continue", "go on with what does not depend on it (default)"),
    ):
        failing.add_argument(flag, dest="on_failure", action="store_const", const=value, help=told)
    parser.add_argument("--sync", action=BooleanOptionalAction, help="tick the file (default: yes)")


_ARGUMENTS: Final = {
    "verify": "verify_mode",
    "command": "test_command",
    "timeout_sec": "timeout",
    "adapt": "adaptive_mode",
    "mode": "execution_mode",
    "approve_every": "require_approval",
    "checkpoint_every": "checkpoint",
    "context": "memory_budget",
}
"""How the command line calls settings that it calls otherwise."""


def _of_one(text: str) -> tuple[str, str]:
    name, _, profile = text.partition("=")
    if not name or not profile:
        raise ArgumentTypeError(f"expected ID=EXECUTOR[:VARIANT], found {text!r}")
    return name, profile


def settings(args: Namespace) -> dict[str, Any]:
    """What the command line says, as the settings call it."""
    from stoker.roadmaps.settings import Settings

    names = ((name, _ARGUMENTS.get(name, name)) for name in Settings.__struct_fields__)
    said = {name: getattr(args, argument, None) for name, argument in names}
    said |= {
        what: {name: {"agent": one} for name, one in getattr(args, f"{what}_agent")}
        for what in ("phase", "task")
    }
    budget = {"cost_usd": args.budget, "tokens": args.budget_tokens}
    said["budget"] = {name: value for name, value in budget.items() if value is not None}
    return {name: value for name, value in said.items() if value is not None}


async def _prepared(
    args: Namespace, context: Context, said: dict[str, Any]
) -> tuple[Plan | None, dict[str, Prepared]]:
    """The plan, None if there is nothing to do; and what it is of, by project."""
    from stoker.roadmaps import begin, workspace
    from stoker.steps.registry import kinds

    retry = getattr(args, "retry_failed", False)
    async with context.journal_if_any() as journal:
        if retry and journal is None:
            raise UsageError(f"the journal holds no run of {args.file} yet")
        common: Any = {"kinds": kinds(), "journal": journal, "retry_failed": retry}
        file = args.file.absolute()
        if is_workspace(args.file):
            found = await workspace.prepare(file, context.directory, said, **common)
            return found.plan, found.projects
        if args.normalize_with_llm:
            model = context.environment.get("STOKER_NORMALIZE_MODEL") or args.model
            await normalised(args.file, context, model)
        one = await begin.prepare(
            file, context.directory, said, format=args.format, reading=reading(args), **common
        )
    phases = {phase.id for phase in one.roadmap.phases}
    tasks = {task.id for task in one.roadmap.walk()}
    for what, known in (("phase", phases), ("task", tasks)):
        if unknown := {name for name, _ in getattr(args, f"{what}_agent")} - known:
            raise UsageError(f"{one.roadmap.source}: there is no {what} {min(unknown)}")
    return one.plan, {"": one}


async def start(args: Namespace, context: Context) -> int:
    """Run a plan file, or those of a workspace; or the next task of them."""
    from stoker.roadmaps.begin import open_branch
    from stoker.roadmaps.readiness import doubts

    more = {"max_tasks": 1} if args.action == "next" else {}
    plan, found = await _prepared(args, context, {**settings(args), **more})
    shown = args.dry_run and args.json
    if shown:
        told = [_task(name, one, placed) for name, one in found.items() for placed in one.units]
        context.output.json({"tasks": told})
    for name, one in found.items():
        before = f"{name}: " if name else ""
        for note in one.notes:
            context.output.note(printable(f"{before}{note}"))
        tell(context, one.job.source, one.differing, name)
        if not shown and (args.dry_run or plan is None):
            _show(context, one, name)
    if args.dry_run or plan is None:
        return exit_codes.SUCCEEDED
    async with context.journal(create=True, durability=args.durability) as journal:
        for one in found.values():
            await _alone(context, journal, one)
        for one in found.values():
            await open_branch(one)
    for name, one in found.items():
        for note in await doubts(one, context.directory, context.environment):
            context.output.note(printable(f"{name}: {note}" if name else note))
    if (one_ := found.get("")) is not None:
        return await _drive(args, context, plan, one_.job.root, one_.settings.parallel)
    return await _drive(args, context, plan, str(args.file.absolute().parent), None)


async def _drive(
    args: Namespace, context: Context, plan: Plan, root: str, width: int | None
) -> int:
    from stoker.cli.roadmap_view import RoadmapView
    from stoker.cli.run import run_id
    from stoker.engine.options import RunOptions

    async def begin(engine: Engine) -> RunHandle:
        options = RunOptions(cwd=root, manual=getattr(args, "manual", False))
        return await engine.start(plan, options=options, run_id=run_id(args), park=not args.wait)

    async with context.journal(create=True, durability=args.durability) as journal:
        status, name = await drive(
            args, context, journal, plan.plan_id, begin, width=width, lines=RoadmapView
        )
    return await conclude(args, context, name, status)


async def _alone(context: Context, journal: Journal, prepared: Prepared) -> None:
    """Raises `UsageError`: a run that is not over would do the same tasks."""
    from stoker.engine.lifecycle import RUN_OVER
    from stoker.roadmaps.differing import same_plan
    from stoker.roadmaps.standing import of_roadmaps, standing

    async for row in of_roadmaps(journal, prepared.job.plan_id):
        if row.status in RUN_OVER:
            continue
        if same_plan((await standing(journal, row.run_id)).document, prepared.roadmap):
            run = row.parent_run_id or row.run_id  # a workspace's
            raise UsageError(
                f"run {run} of this plan file is not over: "
                f"{context.hint('roadmap', 'resume', run)}, or {context.hint('cancel', run)}"
            )


def _task(project: str, prepared: Prepared, placed: Placed) -> dict[str, Any]:
    waits = [name for other in placed.waits for name in prepared.units[other].unit.ids]
    return {
        **({"project": project} if project else {}),
        "tasks": placed.unit.ids,
        "title": placed.unit.title,
        "agent": placed.unit.options.agent,
        "after": waits,
    }


def _show(context: Context, prepared: Prepared, project: str) -> None:
    if project:
        context.output.line(one_line(f"{project}:"))
    if not prepared.units:
        context.output.line("nothing is to be done")
    for placed in prepared.units:
        unit = placed.unit
        waits = ", ".join(prepared.units[other].unit.id for other in placed.waits)
        after = f"  (after {waits})" if waits else ""
        names = ", ".join(unit.ids)
        context.output.line(one_line(f"{names}: {unit.title}  [{unit.options.agent}]{after}"))


async def resume(args: Namespace, context: Context) -> int:
    """Go on with a run."""
    from stoker.cli.roadmap_view import RoadmapView
    from stoker.engine.lifecycle import RUN_OVER

    async with context.journal(durability=args.durability) as journal:
        row = await find(args.run_id, context, journal)
        if row.status in RUN_OVER:
            context.output.note(f"run {row.run_id} is over: it {row.status}")
            status = exit_codes.BY_STATUS[row.status]
        else:
            status, _ = await drive(
                args,
                context,
                journal,
                row.plan_id,
                lambda engine: engine.resume(row.run_id, park=not args.wait),
                lines=RoadmapView,
            )
    return await conclude(args, context, row.run_id, status)


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {
    "run": start,
    "next": start,
    "resume": resume,
}
