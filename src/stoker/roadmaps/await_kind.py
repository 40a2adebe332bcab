"""Kind `roadmap-await`: until a task of another project of the workspace is done."""

from __future__ import annotations

from stoker.engine.creation import nested_run_id
from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.journal.base import UnknownRun
from stoker.journal.events import STEP_SETTLED
from stoker.plan.model import Step
from stoker.roadmaps.bench import opened
from stoker.steps.kind import BaseKind, Definition


class Await(Definition, frozen=True):
    """Which."""

    project: str
    step: str
    """Of the project's run."""


class AwaitKind(BaseKind[Await]):
    """It fails if what it waits for does."""

    name = "roadmap-await"
    definition = Await
    takes_slot = False

    def tool(self, step: Step, definition: Await) -> str:
        """Its own: one that waits in vain says nothing of others."""
        return f"{self.name} {step.id}"

    async def start(self, step: Step, definition: Await, attempt: Attempt) -> Result:
        """Listens to the journal."""
        journal = (await attempt.shared(opened)).journal
        whole = (await journal.run(attempt.run_id)).parent_run_id
        if whole is None:
            raise StepFailed("expected to be in the run of a workspace")
        # The project may end, or be skipped, without its task.
        awaited = {
            nested_run_id(whole, definition.project, 1): definition.step,
            whole: definition.project,
        }
        seen = dict.fromkeys(awaited, 0)
        async with journal.changes() as changes:
            async for _ in changes:
                for run, one in awaited.items():
                    try:
                        events = await journal.events(run, after=seen[run])
                    except UnknownRun:
                        continue
                    for event in events:
                        seen[run] = event.sequence
                        if event.type != STEP_SETTLED or event.step != one:
                            continue
                        if (status := event.data["status"]) == "succeeded":
                            return Result(exit_code=0)
                        raise StepFailed(f"{definition.project}:{definition.step} is {status}")
        raise StepFailed("the journal tells of nothing any more")


KIND = AwaitKind()
