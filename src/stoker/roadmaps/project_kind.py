"""Kind `roadmap-project`: the roadmap of one project of a workspace, as a nested run."""

from __future__ import annotations

import msgspec

from stoker.engine.kinds import Attempt, Result
from stoker.plan.model import Plan, Step
from stoker.steps.kind import BaseKind, Definition


class Project(Definition, frozen=True):
    """Which."""

    plan: str
    """Of its run, as JSON."""


class ProjectKind(BaseKind[Project]):
    """It has no outputs: they are those of its run's steps."""

    name = "roadmap-project"
    definition = Project
    on_interrupt = "adopt"
    takes_slot = False

    def tool(self, step: Step, definition: Project) -> str:
        """Its own, lest a project that fails keeps others from being tried."""
        return f"{self.name} {step.id}"

    async def start(self, step: Step, definition: Project, attempt: Attempt) -> Result:
        """Its run."""
        await attempt.run_plan(msgspec.json.decode(definition.plan, type=Plan), {})
        return Result(exit_code=0)


KIND = ProjectKind()
