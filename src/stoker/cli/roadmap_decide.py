"""`stoker roadmap rollback` and `reset`, and the decisions of a review: what becomes of what was
done."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from stoker.cli import exit_codes, given
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line
from stoker.cli.progress import add_progress
from stoker.cli.roadmap_runs import add_run, carry_out, now_differing, standing_of, unit_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.roadmaps.review_kind import Decision
    from stoker.roadmaps.standing import RunStanding, Standing
    from stoker.roadmaps.unit import Job
    from stoker.workspace.repository import Repository


Decided: TypeAlias = "dict[tuple[str, Decision], list[str]]"
"""By run and decision, the ids of whole units' tasks."""


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Their arguments."""
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


async def decide(
    args: Namespace,
    context: Context,
    stand: Sequence[tuple[str, Standing]],
    accept: Sequence[str],
    take_back: Sequence[str],
) -> int:
    """Accept tasks, and take others back, each in the run that it is of."""
    from stoker.roadmaps.rollback import dependents
    from stoker.roadmaps.standing import standing

    decided: Decided = {}
    both: tuple[tuple[Decision, Sequence[str], str], ...] = (
        ("accept", accept, "accepted"),
        ("take_back", take_back, "taken back"),
    )
    for decision, names, what in both:
        for name in names:
            run_id, one = unit_of(stand, name)
            if not (one.to_review or one.commit):
                raise UsageError(f"{name} is {one.status}: there is nothing that could be {what}")
            decided.setdefault((run_id, decision), []).extend(one.unit.ids)
    for (run_id, decision), tasks in decided.items():
        async with context.journal() as journal:
            run = await standing(journal, run_id)
        above = dependents(run, tasks) if decision == "take_back" else []
        if above and not vars(args).get("cascade"):
            raise UsageError(
                f"{', '.join(above)} depend on {', '.join(tasks)}: "
                "--cascade of `stoker roadmap rollback` takes them back, too"
            )
        tasks.extend(above)
    return await carry(args, context, decided)


async def carry(args: Namespace, context: Context, decided: Decided) -> int:
    """Carry out decisions of tasks, each in the run that they are of; say how the tasks stand."""
    from stoker.cli.ask import person
    from stoker.roadmaps.review_kind import plan
    from stoker.roadmaps.standing import standing
    from stoker.steps.registry import kinds

    status = exit_codes.SUCCEEDED
    for (run_id, decision), tasks in decided.items():
        reason = vars(args).get("comment", "")
        made = plan(run_id, tasks, kinds=kinds(), decision=decision, reason=reason, by=person())
        status = await carry_out(args, context, made) or status
        async with context.journal() as journal:
            run = await standing(journal, run_id)
        for one in run.units:
            if not set(tasks).isdisjoint(one.unit.ids):
                if not vars(args).get("quiet"):
                    context.output.line(one_line(f"{', '.join(one.unit.ids)}: {one.status}"))
                for name, why in one.unmarked.items():
                    context.output.note(one_line(f"{name} is not marked in the file: {why}"))
                    status = status or exit_codes.FAILED
    return status


async def rollback(args: Namespace, context: Context) -> int:
    """Revert tasks' checkpoints on the roadmap's branch, as a run of its own."""
    _, _, stand = await standing_of(args, context)
    return await decide(args, context, stand, (), args.task)


async def _lose(
    args: Namespace, context: Context, repository: Repository, run: RunStanding, job: Job
) -> None:
    """Delete the branch with the work, and the one that it was moved on to for a workspace. Boxes
    of tasks whose work is nowhere else, by whatever run, are opened."""
    from stoker.engine.creation import stored_plan
    from stoker.roadmaps.workspace import branches
    from stoker.workspace.errors import WorkspaceError

    async with context.journal() as journal:
        whole = (await journal.run(run.run_id)).parent_run_id
        moved = branches(await stored_plan(journal, whole)) if whole else {}
        known = (await now_differing(journal, run, job)).known.values()
    for name in dict.fromkeys((job.branch, moved.get((job.root, job.branch), job.branch))):
        if (await repository.resolve(f"refs/heads/{name}"))[0] is not None:
            try:
                await repository.git.run("branch", "-D", "--", name)
            except WorkspaceError as error:
                raise UsageError(str(error)) from error
    lost: Decided = {}
    for run_id, one in {one.standing.unit.id: (one.run_id, one.standing) for one in known}.values():
        words = ("merge-base", "--is-ancestor", one.commit, "HEAD")
        if one.commit and (await repository.git.run(*words, accept=(0, 1, 128))).code != 0:
            lost.setdefault((run_id, "give_up"), []).extend(one.unit.ids)
    await carry(args, context, lost)


async def reset(args: Namespace, context: Context) -> int:
    """Leave nothing of a run but its journal, and, unless told otherwise, its branch."""
    from stoker.engine.lifecycle import RUN_OVER
    from stoker.roadmaps import integration
    from stoker.roadmaps.sidecar import forget
    from stoker.workspace.repository import Repository

    run, job, _ = await standing_of(args, context)
    if run.status not in RUN_OVER:
        raise UsageError(f"run {run.run_id} is not over: {context.hint('cancel', run.run_id)}")
    repository = await Repository.open(job.root)
    for one in run.units:
        for each in one.tries:
            path, branch = integration.place(context.directory, one.unit.id, each.run_id)
            await integration.leave(repository, path, branch)
    if args.branch:
        await _lose(args, context, repository, run, job)
    forget(job)
    context.output.line(f"gave run {run.run_id} up")
    return exit_codes.SUCCEEDED


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {
    "rollback": rollback,
    "reset": reset,
}
