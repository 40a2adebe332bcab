"""Kind `roadmap-rollback`: what was done for some tasks is taken back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from stoker.engine.kinds import Attempt, Result, StepFailed, Work
from stoker.plan.loader import loads
from stoker.plan.model import InterruptPolicy, Plan, Step
from stoker.plan.validate import Kinds
from stoker.roadmaps import rollback
from stoker.roadmaps.bench import opened
from stoker.roadmaps.sidecar import project
from stoker.roadmaps.writeback import write_back
from stoker.workspace.errors import WorkspaceError


class Rollback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which."""

    run: str
    """The roadmap's run."""
    tasks: tuple[str, ...]


def plan(run: str, tasks: Sequence[str], *, kinds: Kinds) -> Plan:
    """The plan of a run that takes back what a roadmap's run did for these tasks."""
    definition = {"type": "roadmap-rollback", "run": run, "tasks": list(tasks)}
    steps = [{"id": "rollback", "step_def": definition}]
    document = {"plan_id": f"rollback-{run}", "steps": steps}
    return loads(msgspec.json.encode(document), kinds=kinds).plan


class RollbackKind:
    """Outputs: `commit` (of the branch), `reverted` (commits)."""

    name = "roadmap-rollback"
    definition = Rollback
    on_interrupt: InterruptPolicy = "rerun"
    takes_slot = True

    def check(self, step: Step, definition: Rollback) -> list[str]:
        """It names tasks."""
        return [] if definition.tasks else ["tasks: expected ids, found none"]

    def tool(self, step: Step, definition: Rollback) -> str:
        """git."""
        return "git"

    def start(self, step: Step, definition: Rollback, attempt: Attempt) -> Work:
        """A commit that reverts theirs, and boxes opened."""
        return _work(definition, attempt)


async def _work(definition: Rollback, attempt: Attempt) -> Result:
    bench = await attempt.shared(opened)
    run = await bench.standing(definition.run)
    if run.job is None:
        raise StepFailed(f"run {definition.run} is no roadmap's")
    job, wanted = run.job, set(definition.tasks)
    try:
        repository = await bench.repository(job.root)
        before = await rollback.reverted(repository, job.branch, attempt.run_id)
        if before is not None:  # a crash kept it from being said
            commit, gone = before
        else:
            done = await rollback.checkpoints(repository, job.branch, definition.run)
            chosen = [one for one in done if wanted & set(one.tasks)]
            commit, gone = "", tuple(one.commit for one in chosen)
            if chosen:
                commit = await rollback.revert(
                    repository, bench.directory, job.branch, chosen, attempt.run_id
                )
        for unit in run.units:
            if wanted & set(unit.unit.ids):
                await write_back(bench, job, run.run_id, unit.unit, attempt.write, "pending")
        await project(await bench.standing(run.run_id), job)
    except (WorkspaceError, OSError) as error:
        raise StepFailed(str(error)) from error
    return Result(exit_code=0, outputs={"commit": commit, "reverted": list(gone)})


KIND = RollbackKind()
