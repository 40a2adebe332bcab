"""How the tasks of a run stand, as its journal has it."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.engine.nested import replayed
from stoker.engine.state import RunState, StepState
from stoker.journal.base import Journal
from stoker.plan.template import render_value
from stoker.roadmaps import tries
from stoker.roadmaps.begun import Begun, Planned, of
from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.tries import Try, keep_under
from stoker.roadmaps.unit import Job, Unit

Outcome = Literal[
    "pending",
    "in_progress",
    "done",
    "done-unverified",
    "failed",
    "blocked",
    "skipped",
    "deferred",
]


_RECENT = 1_000
_MOST_RUNS = 20
_NOTHING = {"source": "", "root": "", "format": "", "sha256": ""}


class Standing(Struct, frozen=True, kw_only=True):
    """A unit of a run."""

    unit: Unit
    status: Outcome
    reason: str
    tries: tuple[Try, ...]
    commit: str = ""
    """On the roadmap's branch; empty: none."""
    waits: tuple[str, ...] = ()
    """Ids of tasks it waits for."""
    started: float | None = None
    ended: float | None = None

    @property
    def last(self) -> Try | None:
        """The last try that came to anything."""
        return next((one for one in reversed(self.tries) if one.outcome != "lost"), None)


class RunStanding(Struct, frozen=True, kw_only=True):
    """A run of a roadmap."""

    run_id: str
    status: str
    job: Job | None
    """None: it is no roadmap's run, or has no steps."""
    created: float
    document: Roadmap
    """As it was when the run began."""
    units: tuple[Standing, ...]


class Standings:
    """Asks a journal. Tries that are over, and what runs began with, are read from it once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tries: dict[str, Try] = {}
        self._begun: dict[str, tuple[int, Begun | None, dict[str, Unit]]] = {}

    def begun(self, state: RunState) -> Begun | None:
        """What a run began with and was added since; None: it is no roadmap's."""
        return self._known(state)[0]

    def _known(self, state: RunState) -> tuple[Begun | None, dict[str, Unit]]:
        """The same, and its units by their steps."""
        size, began, units = self._begun.get(state.run_id, (-1, None, {}))
        if size != len(state.steps):
            keep_under(_MOST_RUNS, self._begun)
            began = of(state.plan, _added(state))
            steps = [step for step in state.steps if is_unit(step)] if began else []
            units = {step.step.id: unit_of(step, began) for step in steps if began}
            self._begun[state.run_id] = (len(state.steps), began, units)
        return began, units

    async def of(self, run_id: str, state: RunState | None = None) -> RunStanding:
        """`state`: if it is known. Raises `UnknownRun`."""
        state = state or await replayed(self._journal, run_id)
        began, known = self._known(state)
        steps = [state[name] for name in known]
        homes = {name: unit.ids for name, unit in known.items()}
        units = []
        reverted = await self._reverted(run_id) if steps else frozenset()
        for step in steps:
            unit = known[step.step.id]
            number = step.number + 1
            past = await tries.history(self._journal, run_id, unit.id, number, self._tries)
            told = _unit(step, unit, past)
            if told.commit and told.commit in reverted:
                told = replace(told, status="pending", reason="rolled back", commit="")
            units.append(told)
        for place, step in enumerate(steps):
            waits = tuple(name for one in step.step.depends_on for name in homes.get(one, ()))
            units[place] = replace(units[place], waits=waits)
        return RunStanding(
            run_id=run_id,
            status=state.status,
            job=began.job if began else None,
            created=state.created_at or 0.0,
            document=began.document if began else msgspec.convert(_NOTHING, Roadmap),
            units=tuple(units),
        )

    async def _reverted(self, run_id: str) -> frozenset[str]:
        """Checkpoints that were taken back."""
        found: set[str] = set()
        for row in await self._journal.runs(limit=_RECENT, plan_id=f"rollback-{run_id}"):
            for step in (await replayed(self._journal, row.run_id)).steps:
                found.update(step.outputs.get("reverted", ()))
        return frozenset(found)


async def standing(journal: Journal, run_id: str) -> RunStanding:
    """Once. Raises `UnknownRun`."""
    return await Standings(journal).of(run_id)


def is_unit(step: StepState) -> bool:
    """Whether it is one that completes tasks."""
    return (step.step.step_def or {}).get("type") == "roadmap-task"


def _added(state: RunState) -> list[Task]:
    """Tasks that are not in the document: the steps that do them hold them."""
    first = len(state.plan.steps)
    planned = (_planned(step) for step in state.steps[first:] if is_unit(step))
    return [task for one in planned for task in one.tasks if isinstance(task, Task)]


def said_of(state: RunState, unit_id: str) -> tuple[str, ...]:
    """What people have said of a unit while the run was under way."""
    steps = (render_value(step.step.step_def or {}, {}) for step in state.steps)
    return tuple(
        one["text"]
        for one in steps
        if one.get("type") == "roadmap-steer" and one["unit"] == unit_id and one.get("text")
    )


def unit_of(step: StepState, began: Begun) -> Unit:
    """The unit of such a step."""
    return began.unit(_planned(step))


def _planned(step: StepState) -> Planned:
    definition = {**(step.step.step_def or {})}
    del definition["type"]
    return msgspec.convert(render_value(definition, {}), Planned)


def _unit(step: StepState, unit: Unit, past: tuple[Try, ...]) -> Standing:
    status, reason = _status(step)
    return Standing(
        unit=unit,
        status=status,
        reason=reason,
        tries=past,
        commit=str(step.outputs.get("commit", "")),
        started=step.first_started,
        ended=max(one.ended for one in past)
        if past and status not in ("pending", "in_progress")
        else None,
    )


def _status(step: StepState) -> tuple[Outcome, str]:
    reason = step.reason or ""
    if step.status == "succeeded":
        told = step.outputs.get("status", "done")
        return told, str(step.outputs.get("reason", ""))
    if step.status == "failed":
        return ("deferred" if reason.startswith("deferred") else "failed"), reason
    if step.status == "skipped":
        return ("skipped" if step.satisfied else "blocked"), reason
    if step.status == "running":
        return "in_progress", ""
    return ("skipped", reason) if step.status == "canceled" else ("pending", reason)
