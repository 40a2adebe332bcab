"""Kind `roadmap-review`: what a person, or a strategy, decides of tasks that a run has worked at,
and what the plan file is to say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.plan.literally import written
from stoker.plan.loader import loads
from stoker.plan.model import Plan, Step
from stoker.plan.validate import Kinds
from stoker.roadmaps import rollback
from stoker.roadmaps.bench import opened
from stoker.roadmaps.sidecar import project
from stoker.roadmaps.standing import told
from stoker.roadmaps.writeback import write_back
from stoker.steps.kind import BaseKind, Definition
from stoker.workspace.errors import WorkspaceError

Decision = Literal["accept", "take_back", "give_up", "mark"]
"""That they are done; that their checkpoints are reverted, or lost with their branch; nothing, only
the file is written."""


class Review(Definition, frozen=True):
    """Which."""

    run: str
    """The roadmap's run."""
    decision: Decision
    tasks: tuple[str, ...]
    reason: str = ""
    by: str = ""


def plan(
    run: str,
    tasks: Sequence[str],
    *,
    kinds: Kinds,
    decision: Decision = "take_back",
    reason: str = "",
    by: str = "",
) -> Plan:
    """The plan of a run that carries out what is decided of these tasks of a roadmap's run."""
    said = {"run": run, "decision": decision, "tasks": list(tasks), "reason": reason, "by": by}
    steps = [{"id": decision, "step_def": {"type": "roadmap-review", **written(said)}}]
    document = {"plan_id": f"review-{run}", "steps": steps}
    return loads(msgspec.json.encode(document), kinds=kinds).plan


class ReviewKind(BaseKind[Review]):
    """Outputs: what was decided, `commit` (of the branch), `reverted` (commits); of tasks whose
    status the file was to say, those that it does, `marked`, and why it does not, `unmarked`."""

    name = "roadmap-review"
    definition = Review

    def check(self, step: Step, definition: Review) -> list[str]:
        """It names tasks."""
        return [] if definition.tasks else ["tasks: expected ids, found none"]

    async def start(self, step: Step, definition: Review, attempt: Attempt) -> Result:
        """A commit that reverts theirs, if that is decided; and marks."""
        bench = await attempt.shared(opened)
        run = await bench.standing(definition.run)
        if run.job is None:
            raise StepFailed(f"run {definition.run} is no roadmap's")
        wanted = set(definition.tasks)
        outputs = msgspec.to_builtins(definition)
        unmarked: dict[str, str] = {}
        try:
            if definition.decision == "take_back":
                commit, gone = await rollback.revert(
                    await bench.repository(run.job.root),
                    bench.directory,
                    run.job.branch,
                    definition.run,
                    definition.tasks,
                    attempt.run_id,
                )
                outputs |= {"commit": commit, "reverted": list(gone)}
            for one in run.units:
                if wanted.isdisjoint(one.unit.ids):
                    continue
                done = definition.decision == "accept" or (
                    definition.decision == "mark" and one.done
                )
                unmarked |= await write_back(
                    bench,
                    definition.run,
                    one.unit,
                    attempt.write,
                    "done" if done else "pending",
                    anyway=True,
                )
        except (WorkspaceError, OSError) as error:
            raise StepFailed(str(error)) from error
        marked = sorted(wanted - set(unmarked))
        outputs |= {"marked": marked, "unmarked": unmarked}
        plan_id = (await bench.journal.run(run.run_id)).plan_id
        newest = await bench.journal.runs(limit=1, plan_id=plan_id)
        if newest[0].run_id == run.run_id:  # the sidecars are of that one
            units = tuple(told(one, outputs) for one in run.units)
            await project(replace(run, units=units), run.job)
        return Result(exit_code=0, outputs=outputs)


KIND = ReviewKind()
