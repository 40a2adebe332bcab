"""How the tasks of a run stand, as its journal has it."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.engine.nested import replayed
from stoker.engine.state import StepState
from stoker.journal.base import Journal
from stoker.plan.template import render_value
from stoker.roadmaps import tries
from stoker.roadmaps.document import Roadmap
from stoker.roadmaps.tries import Try
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


async def standing(journal: Journal, run_id: str) -> RunStanding:
    """Raises `UnknownRun`."""
    state = await replayed(journal, run_id)
    job: Job | None = None
    units: list[Standing] = []
    homes: dict[str, tuple[str, ...]] = {}
    for step in state.steps:
        definition = step.step.step_def or {}
        if definition.get("type") != "roadmap-task":
            continue
        if job is None:
            job = msgspec.convert(render_value(definition["job"], {}), Job)
        unit = msgspec.convert(render_value(definition["unit"], {}), Unit)
        homes[step.step.id] = unit.ids
        past = await tries.history(journal, run_id, step.step.id, step.number + 1)
        units.append(_unit(step, unit, past))
    reverted = await _reverted(journal, run_id) if job is not None else frozenset()
    for place, one in enumerate(units):
        waits = state[one.unit.id].step.depends_on
        told = replace(one, waits=tuple(name for home in waits for name in homes.get(home, ())))
        if one.commit and one.commit in reverted:
            told = replace(told, status="pending", reason="rolled back", commit="")
        units[place] = told
    return RunStanding(
        run_id=run_id,
        status=state.status,
        job=job,
        created=state.created_at or 0.0,
        document=msgspec.convert(state.plan.metadata.get("document", _NOTHING), Roadmap),
        units=tuple(units),
    )


async def _reverted(journal: Journal, run_id: str) -> frozenset[str]:
    """Checkpoints that were taken back."""
    found: set[str] = set()
    for row in await journal.runs(limit=_RECENT, plan_id=f"rollback-{run_id}"):
        for step in (await replayed(journal, row.run_id)).steps:
            found.update(step.outputs.get("reverted", ()))
    return frozenset(found)


def _unit(step: StepState, unit: Unit, past: tuple[Try, ...]) -> Standing:
    status, reason = _status(step)
    return Standing(
        unit=unit,
        status=status,
        reason=reason,
        tries=past,
        commit=str(step.outputs.get("commit", "")),
        started=step.first_started,
        ended=past[-1].ended if past and status not in ("pending", "in_progress") else None,
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
