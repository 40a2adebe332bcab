"""Kind `roadmap-steer`: what a person says of a task while the run is under way.

A step of its own that the run is extended by, so that it is in the journal. It reaches the
agent at work, if there is one, and every later try of the task.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from stoker.agents.inbox import Interrupt, Say, send
from stoker.agents.store import tried
from stoker.engine.creation import nested_run_id
from stoker.engine.kinds import Attempt, Result
from stoker.plan.model import Step
from stoker.roadmaps.bench import opened
from stoker.roadmaps.tries import AGENT
from stoker.steps.kind import BaseKind, Definition


class Steer(Definition, frozen=True):
    """What is said."""

    unit: str
    """Id of the step that it is said of."""
    text: str = ""
    interrupt: bool = False
    """What the agent is at ends; else it hears of it when that has ended by itself."""
    by: str = ""


class SteerKind(BaseKind[Steer]):
    """Outputs: `heard`, whether an agent was at work and has been told."""

    name = "roadmap-steer"
    definition = Steer
    takes_slot = False

    def check(self, step: Step, definition: Steer) -> list[str]:
        """It says something."""
        says = definition.text.strip() or definition.interrupt
        return [] if says else ["text: expected what to say, found nothing"]

    async def start(self, step: Step, definition: Steer, attempt: Attempt) -> Result:
        """A message."""
        bench = await attempt.shared(opened)
        unit = (await bench.state(attempt.run_id))[definition.unit]
        heard = False
        if unit.status == "running":
            run = nested_run_id(attempt.run_id, unit.step.id, unit.number)
            heard = await asyncio.to_thread(_tell, bench.directory / "runs" / run, definition)
        attempt.write("told the agent\n" if heard else "no agent is at work: the next is told\n")
        return Result(exit_code=0, outputs={"heard": heard})


def _tell(run: Path, said: Steer) -> bool:
    begun = tried(run, AGENT)
    if not begun:
        return False
    place = begun[-1]
    try:
        if said.interrupt:
            send(place, Interrupt(by=said.by))
        if said.text.strip():
            send(place, Say(text=said.text, by=said.by))
    except FileNotFoundError:
        return False
    return True


KIND = SteerKind()
