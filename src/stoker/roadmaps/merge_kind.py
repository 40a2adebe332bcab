"""Kind `roadmap-merge`: verified work becomes one checkpoint on the roadmap's branch.

One at a time. If the branch has moved since the work began, what comes of both is verified
again, before the branch moves; what conflicts goes back to the agent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.plan.model import Step
from stoker.roadmaps import integration
from stoker.roadmaps.bench import Bench, opened
from stoker.roadmaps.checking import check
from stoker.roadmaps.tries import tokens
from stoker.roadmaps.try_plan import Frame
from stoker.steps.kind import BaseKind
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.message import Trailers


class Merge(Frame, frozen=True, kw_only=True):
    """What is to be merged."""

    work: str
    """The commit that was verified."""


class MergeKind(BaseKind[Merge]):
    """Outputs: `checkpoint` (the commit on the branch); or `conflicts` (files), or the `evidence`
    that it does not hold on what the branch has become. The last two are no failure of the step.
    """

    name = "roadmap-merge"
    definition = Merge
    takes_slot = False

    def tool(self, step: Step, definition: Merge) -> str:
        """git."""
        return "git"

    async def start(self, step: Step, definition: Merge, attempt: Attempt) -> Result:
        """A place in the queue, a commit."""
        bench = await attempt.shared(opened)
        try:
            return Result(exit_code=0, outputs=await _merge(definition, attempt, bench))
        except (WorkspaceError, OSError) as error:
            raise StepFailed(str(error)) from error


async def _merge(definition: Merge, attempt: Attempt, bench: Bench) -> dict[str, Any]:
    job, unit = definition.job, definition.unit
    repository = await bench.repository(job.root)
    async with integration.queue(repository, job.branch):
        if definition.run in bench.given_up:
            raise StepFailed("what the run has done is being taken back")
        if attempt.number > 1:  # one that was killed may have merged it
            before = await integration.merged(repository, job, definition.token)
            if before is not None:
                return {"checkpoint": before}
        onto = await integration.tip(repository, job.branch)
        if unit.gate:
            return {"checkpoint": onto}
        subject = f"executor({', '.join(unit.ids)}): {unit.title}".splitlines()[0][:100]
        made, conflicts = await integration.candidate(
            repository,
            onto,
            definition.base,
            definition.work,
            subject,
            _trailers(definition, tokens(await bench.state(attempt.run_id))),
        )
        if conflicts:
            attempt.write(f"conflicts in {', '.join(conflicts)}\n", error=True)
            return {"conflicts": list(conflicts)}
        alike = definition.work if onto == definition.base else ""
        bench.spares.expect(repository, made, same_as=alike)
        outputs: dict[str, Any] = {}
        if onto != definition.base:
            attempt.write("the branch has moved: verifying what comes of both\n")
            evidence = await check(attempt, bench, definition, onto, made)
            outputs["evidence"] = msgspec.to_builtins(evidence)
            if evidence.verdict == "failed":
                return outputs
        await integration.advance(repository, job.branch, made)
        if job.tag_every:
            await integration.tag(repository, job, made)
    return {**outputs, "checkpoint": made}


def _trailers(definition: Merge, used: int) -> Trailers:
    return (
        ("Stoker-Run", definition.run),
        ("Stoker-Step", definition.step),
        *(("Stoker-Task", integration.on_one_line(task)) for task in definition.unit.ids),
        ("Stoker-Try", definition.token),
        ("Stoker-Tokens", str(used)),
    )


KIND = MergeKind()
