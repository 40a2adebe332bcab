"""Kind `roadmap-project`: the roadmap of one project of a workspace, as a nested run."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from stoker.engine.kinds import Attempt, Result, Work
from stoker.plan.model import InterruptPolicy, Plan, Step


class Project(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which."""

    plan: str
    """Of its run, as JSON."""


class ProjectKind:
    """It has no outputs: they are those of its run's steps."""

    name = "roadmap-project"
    definition = Project
    on_interrupt: InterruptPolicy = "adopt"
    takes_slot = False

    def check(self, step: Step, definition: Project) -> list[str]:
        """Nothing that the types do not say."""
        return []

    def tool(self, step: Step, definition: Project) -> str:
        """Its own, lest a project that fails keeps others from being tried."""
        return f"{self.name} {step.id}"

    def start(self, step: Step, definition: Project, attempt: Attempt) -> Work:
        """Its run."""
        return _work(definition, attempt)


async def _work(definition: Project, attempt: Attempt) -> Result:
    await attempt.run_plan(msgspec.json.decode(definition.plan, type=Plan), {})
    return Result(exit_code=0)


KIND = ProjectKind()
