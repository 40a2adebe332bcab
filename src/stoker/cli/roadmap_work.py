"""`stoker roadmap review`, `suggest`, `steer`, `rollback` and `reset`: what was done, looked at,
led and taken back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from stoker.cli import exit_codes, given, roadmap_memory
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line, printable
from stoker.cli.progress import add_progress, choose_view
from stoker.cli.roadmap_run import add_run, find

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.engine.engine import Engine
    from stoker.engine.handle import RunHandle
    from stoker.roadmaps.standing import RunStanding, Standing
    from stoker.roadmaps.unit import Job

_FAULTS: Final = 5


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Their arguments."""
    review = actions.add_parser("review", help="what was done, with its evidence", parents=[common])
    add_run(review)
    review.add_argument("--task", metavar="ID", help="of one task, with its diff")
    review.add_argument(
        "--accept", action="append", default=[], metavar="ID", help="take it for done, and tick it"
    )
    review.add_argument("--json", action="store_true", help="as JSON")

    suggest = actions.add_parser(
        "suggest", help="what may help tasks that failed", parents=[common]
    )
    add_run(suggest)
    suggest.add_argument("--json", action="store_true", help="as JSON")

    steer = actions.add_parser(
        "steer", help="tell the agent at work on a task, and later ones", parents=[common]
    )
    steer.add_argument("run", metavar="RUN", help="id or its beginning; `last`: the newest run")
    steer.add_argument("task", metavar="TASK", help="which")
    steer.add_argument("text", metavar="TEXT", nargs="?", default="", help="what to say")
    steer.add_argument(
        "--interrupt", action="store_true", help="now, not when what it is at has ended"
    )

    rollback = actions.add_parser(
        "rollback", help="take back what was done for tasks", parents=[common]
    )
    add_run(rollback)
    rollback.add_argument(
        "--task", action="append", required=True, metavar="ID", help="which (repeatable)"
    )
    rollback.add_argument("--cascade", action="store_true", help="and what depends on them")
    given.add_engine(rollback)
    add_progress(rollback)

    reset = actions.add_parser(
        "reset", help="give a run up: its worktrees, branches of tries, sidecars", parents=[common]
    )
    add_run(reset)
    reset.add_argument("--branch", action="store_true", help="and the branch with the work")
    roadmap_memory.register(
        actions.add_parser("memory", help="what is remembered of roadmaps", parents=[common])
    )


async def _standing(args: Namespace, context: Context) -> tuple[RunStanding, Job]:
    from stoker.roadmaps.standing import standing

    async with context.journal() as journal:
        row = await find(args, context, journal)
        run = await standing(journal, row.run_id)
    if run.job is None:
        raise UsageError(f"run {row.run_id} is no roadmap's")
    return run, run.job


async def review(args: Namespace, context: Context) -> int:
    """Print how a run's tasks stand; accept what nothing could verify."""
    from stoker.cli.standing import hints
    from stoker.engine.view import read_run, view
    from stoker.roadmaps import integration
    from stoker.workspace.repository import Repository

    run, job = await _standing(args, context)
    output = context.output
    if args.accept:
        await _accept(args.accept, run, job, context)
        return exit_codes.SUCCEEDED
    chosen = run.units if args.task is None else (_unit(run, args.task),)
    if args.json:
        output.json({"run_id": run.run_id, "branch": job.branch, "tasks": list(map(_view, chosen))})
        return exit_codes.SUCCEEDED
    for one in chosen:
        _print(one, context)
    if args.task is not None and (span := _span(chosen[0])):
        repository = await Repository.open(job.root)
        output.line("")
        for line in (await integration.patch(repository, *span)).splitlines():
            output.line(printable(line))
    async with context.journal() as journal:
        there = await read_run(journal, run.run_id)
    for hint in hints(there, view(there), context):
        output.line(hint)
    return exit_codes.SUCCEEDED


def _span(one: Standing) -> tuple[str, str] | None:
    """The commits between which its work is: of what is merged, or waits for a person's look."""
    if one.commit:
        return f"{one.commit}~1", one.commit
    last = one.tries[-1] if one.status == "in_progress" and one.tries else None
    return (last.base, last.commit) if last and last.commit else None


def _unit(run: RunStanding, task: str) -> Standing:
    for one in run.units:
        if task in one.unit.ids:
            return one
    known = ", ".join(name for one in run.units for name in one.unit.ids)
    raise UsageError(f"run {run.run_id} has no task {task!r}; it has {known}")


def _view(one: Standing) -> dict[str, Any]:
    last = one.last
    return {
        "tasks": one.unit.ids,
        "title": one.unit.title,
        "status": one.status,
        "reason": one.reason,
        "commit": one.commit or None,
        "tries": len(one.tries),
        "tokens": sum(t.tokens for t in one.tries),
        "cost_usd": sum(t.cost_usd for t in one.tries),
        "evidence": last.evidence if last else None,
    }


def _print(one: Standing, context: Context) -> None:
    output, last = context.output, one.last
    commit = f"  {one.commit[:10]}" if one.commit else ""
    tried = f"  ({len(one.tries)} tries)" if len(one.tries) > 1 else ""
    output.line(
        one_line(f"{one.status:16}{', '.join(one.unit.ids)}: {one.unit.title}{commit}{tried}")
    )
    if one.reason:
        output.line(f"    {one_line(one.reason)}")
    if one.status == "done-unverified":
        output.line(
            f"    if it is good: stoker roadmap review --accept {one_line(one.unit.ids[0])}"
        )
    evidence = last.evidence if last else None
    if evidence is None:
        return
    if evidence.files:
        output.line(f"    changed {one_line(', '.join(evidence.files))}")
    for command in evidence.commands:
        ended = "no end in time" if command.exit_code is None else f"exit {command.exit_code}"
        output.line(f"    {one_line(command.argv[-1])}: {ended} in {command.seconds:.1f} s")
    if not one.status.startswith("done"):
        for fault in evidence.faults[:_FAULTS]:
            output.line(f"    {fault.category}: {one_line(fault.message.partition(chr(10))[0])}")
    for note in evidence.notes:
        output.line(f"    note: {one_line(note)}")


async def _accept(names: list[str], run: RunStanding, job: Job, context: Context) -> None:
    from stoker.roadmaps.writeback import mark

    for name in names:
        one = _unit(run, name)
        if not one.commit:
            raise UsageError(f"{name} cannot be accepted: it is {one.status}, nothing was merged")
        marked = await mark(job, run.document, one.unit, "done")
        context.output.line(f"ticked {', '.join(marked) or 'nothing'}")


async def suggest(args: Namespace, context: Context) -> int:
    """Print what was suggested after the last try of each task that is not done."""
    run, _ = await _standing(args, context)
    open_ = [one for one in run.units if one.last and not one.status.startswith("done")]
    found = [(one.unit.id, each) for one in open_ if one.last for each in one.last.suggestions]
    if args.json:
        told = [{"task": task, "suggestion": one} for task, one in found]
        context.output.json({"run_id": run.run_id, "suggestions": told})
        return exit_codes.SUCCEEDED
    for task, one in found:
        about = " ".join(filter(None, (one.task, one.path, one.value)))
        context.output.line(one_line(f"{task}: {one.kind} {about} ({one.rating:.0%})"))
        context.output.line(f"    {one_line(one.reason)}")
    if not found:
        context.output.line("nothing is suggested")
    return exit_codes.SUCCEEDED


async def steer(args: Namespace, context: Context) -> int:
    """Say something of a task to the agent at work on it, and to those that come after."""
    from secrets import token_hex

    from stoker.cli.ask import find_open, person
    from stoker.engine.ask import ask
    from stoker.roadmaps.plan import steering
    from stoker.roadmaps.standing import standing

    if not (args.text.strip() or args.interrupt):
        raise UsageError("nothing is said: expected a text, --interrupt or both")
    async with context.journal() as journal:
        row = await find_open(context, journal, args.run)
        one = _unit(await standing(journal, row.run_id), args.task)
        text = steering(
            one.unit.id, args.text, interrupt=args.interrupt, by=person(), token=token_hex(4)
        )
        asked = await ask(journal, row, "extend", {"steps": text}, by=person())
    if asked.events is None:
        context.output.note(f"nobody drives run {row.run_id}: it is said when it is gone on with")
    return exit_codes.SUCCEEDED


async def rollback(args: Namespace, context: Context) -> int:
    """Revert tasks' checkpoints on the roadmap's branch, as a run of its own."""
    from stoker.cli.drive import drive
    from stoker.engine.options import RunOptions
    from stoker.roadmaps.rollback import checkpoints, dependents
    from stoker.roadmaps.rollback_kind import plan as rollback_plan
    from stoker.steps.registry import kinds
    from stoker.workspace.repository import Repository

    run, job = await _standing(args, context)
    done = await checkpoints(await Repository.open(job.root), job.branch, run.run_id)
    tasks = [name for task in args.task for name in _unit(run, task).unit.ids]
    known = {task for one in done for task in one.tasks}
    if missing := [name for name in tasks if name not in known]:
        raise UsageError(f"nothing was done for {', '.join(missing)} that could be taken back")
    if above := dependents(run, tasks, done):
        if not args.cascade:
            raise UsageError(
                f"{', '.join(above)} depend on {', '.join(tasks)}: --cascade takes them back, too"
            )
        tasks += above
    plan = rollback_plan(run.run_id, tasks, kinds=kinds())
    async with context.journal(durability=args.durability) as journal:
        view = await choose_view(args, context, journal, plan.plan_id)

        async def begin(engine: Engine) -> RunHandle:
            return await engine.start(plan, options=RunOptions(cwd=job.root))

        return await drive(context, journal, begin, view)


async def reset(args: Namespace, context: Context) -> int:
    """Leave nothing of a run but its journal, and, unless told otherwise, its branch."""

    from stoker.engine.lifecycle import RUN_OVER
    from stoker.roadmaps import integration
    from stoker.roadmaps.sidecar import forget
    from stoker.workspace.repository import Repository

    run, job = await _standing(args, context)
    if run.status not in RUN_OVER:
        raise UsageError(f"run {run.run_id} is not over: {context.hint('cancel', run.run_id)}")
    repository = await Repository.open(job.root)
    for one in run.units:
        for each in one.tries:
            path, branch = integration.place(context.directory, one.unit.id, each.run_id)
            await integration.leave(repository, path, branch)
    if args.branch:
        await repository.git.run("branch", "-D", "--", job.branch, accept=(0, 1))
    forget(job)
    context.output.line(f"gave run {run.run_id} up")
    return exit_codes.SUCCEEDED


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {
    "review": review,
    "suggest": suggest,
    "steer": steer,
    "rollback": rollback,
    "reset": reset,
    "memory": roadmap_memory.run,
}
