"""Kind `roadmap-split`: what an agent has divided its task into becomes the steps of the try."""

from __future__ import annotations

from asyncio import to_thread
from pathlib import Path

import msgspec

from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.plan.model import Step
from stoker.roadmaps import try_plan
from stoker.roadmaps.parts import parts_of
from stoker.steps.kind import BaseKind


class Split(try_plan.Frame, frozen=True, kw_only=True):
    """A try whose task is to be divided."""

    said: str
    """The agent's last message."""
    prompt: str
    """What each part's agent is told beside its part."""


class SplitKind(BaseKind[Split]):
    """Outputs: `parts`, 2 to 5. Extends the try by their steps, and by what follows them."""

    name = "roadmap-split"
    definition = Split
    takes_slot = False

    async def start(self, step: Step, definition: Split, attempt: Attempt) -> Result:
        """A look at what was said."""
        try:
            parts = parts_of(definition.said)
        except ValueError as error:
            raise StepFailed(str(error)) from error
        for number, part in enumerate(parts, 1):
            attempt.write(f"part {number}: {part.title}\n")
        text = try_plan.divided(definition, attempt.step_id, parts, definition.prompt)
        await to_thread(Path(attempt.env["STOKER_EXTEND"]).write_text, text)
        return Result(exit_code=0, outputs={"parts": msgspec.to_builtins(parts)})


KIND = SplitKind()
