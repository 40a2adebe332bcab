"""Kind `approval`: a step that is nothing but a person's yes.

The engine holds any step with an `approval` until a person has decided; a step of this kind
is one whose definition is that gate, and which has nothing to do once it is open.
"""

from __future__ import annotations

from stoker.engine.kinds import Attempt, Result, Work
from stoker.plan.model import Approval, Step
from stoker.steps.kind import BaseKind


class ApprovalKind(BaseKind[Approval]):
    """Waits for a person."""

    name = "approval"
    definition = Approval
    takes_slot = False

    def gate(self, definition: Approval) -> Approval:
        """What must be granted before `start`."""
        return definition

    def check(self, step: Step, definition: Approval) -> list[str]:
        """A positive timeout, and no second gate before this one."""
        problems = []
        if definition.timeout_sec is not None and definition.timeout_sec <= 0:
            problems.append(
                f"timeout_sec: expected more than 0 seconds, found {definition.timeout_sec}"
            )
        if step.approval:
            problems.append("a step of type 'approval' takes no 'approval' beside it")
        return problems

    def start(self, step: Step, definition: Approval, attempt: Attempt) -> Work:
        """Nothing is left to do."""
        return _granted()


async def _granted() -> Result:
    return Result()


KIND = ApprovalKind()
