"""How the tasks of a run stand, and those of a plan file by all of its runs, as the journal
has it: what people have decided since, too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.engine.creation import nested_run_id
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.nested import replayed
from stoker.engine.state import RunState, StepState
from stoker.journal.base import Journal, RunRow, UnknownRun
from stoker.plan.template import render_value
from stoker.roadmaps.begun import Begun, Planned, of
from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.tries import Try, read
from stoker.roadmaps.unit import Job, Unit, family

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


_PAGE = 1_000
_MOST_RUNS = 20
_MOST_TRIES = 2_000
NO_SYNC = "--no-sync"
"""Why a status was not written: nobody wants it to be."""
_NOTHING = {"source": "", "root": "", "format": "", "sha256": ""}


class Standing(Struct, frozen=True, kw_only=True):
    """A unit of a run."""

    unit: Unit
    status: Outcome
    reason: str
    tries: tuple[Try, ...]
    commit: str = ""
    """On the roadmap's branch; empty: none."""
    unmarked: Mapping[str, str] = {}
    """Tasks whose status is to be written into the plan file, and why it was not."""
    said: tuple[str, ...] = ()
    """What people said of its work when they turned it down."""
    waits: tuple[str, ...] = ()
    """Ids of tasks it waits for."""
    started: float | None = None
    ended: float | None = None

    @property
    def done(self) -> bool:
        """Verified, or accepted, or nobody wanted it verified: the file is to say so."""
        waived = self.status == "done-unverified" and self.unit.options.verify == "skip"
        return self.status == "done" or (waived and bool(self.commit))

    @property
    def to_review(self) -> bool:
        """It waits for a person to accept it, or to reject it."""
        return self.status == "done-unverified" and not self.done

    @property
    def last(self) -> Try | None:
        """The last try that came to anything."""
        return next((one for one in reversed(self.tries) if one.outcome != "lost"), None)

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """Those it was divided into, and whether they are done."""
        divided = next((one for one in reversed(self.tries) if one.parts), None)
        parts = enumerate(divided.parts) if divided else ()
        return [(part.title, place < divided.done) for place, part in parts if divided]


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

    def __init__(self, journal: Journal, runs: Path | None = None) -> None:
        """`runs`: where the files of runs are, for what agents have used that were cut short."""
        self._journal, self._runs = journal, runs
        self._tries: dict[str, Try] = {}
        self._begun: dict[str, tuple[int, Begun | None, dict[str, Unit]]] = {}

    def begun(self, state: RunState) -> Begun | None:
        """What a run began with and was added since; None: it is no roadmap's."""
        return self._known(state)[0]

    def _known(self, state: RunState) -> tuple[Begun | None, dict[str, Unit]]:
        """The same, and its units by their steps."""
        size, began, units = self._begun.get(state.run_id, (-1, None, {}))
        if size != len(state.steps):
            _keep_under(_MOST_RUNS, self._begun)
            began = of(state.plan, _added(state))
            steps = [step for step in state.steps if is_unit(step)] if began else []
            units = {step.step.id: unit_of(step, began) for step in steps if began}
            self._begun[state.run_id] = (len(state.steps), began, units)
        return began, units

    async def tries(self, run_id: str, step_id: str, before: int) -> tuple[Try, ...]:
        """Those of a step with numbers below `before`. Raises `OSError`."""
        found = []
        for number in range(1, before):
            nested = nested_run_id(run_id, step_id, number)
            if (one := self._tries.get(nested)) is None:
                try:
                    state = await replayed(self._journal, nested)
                except UnknownRun:  # the attempt found that there was nothing to try
                    continue
                one = read(number, state, self._runs)
                if state.status in RUN_OVER:
                    _keep_under(_MOST_TRIES, self._tries)
                    self._tries[nested] = one
            found.append(one)
        return tuple(found)

    async def of(
        self, run_id: str, state: RunState | None = None, *, briefly: bool = False
    ) -> RunStanding:
        """`state`: if it is known; `briefly`: without tries. Raises `UnknownRun`."""
        state = state or await replayed(self._journal, run_id)
        began, known = self._known(state)
        # What another step has done before its turn came is that one's.
        steps = [state[name] for name in known if "by" not in state[name].outputs]
        homes = {name: unit.ids for name, unit in known.items()}
        units = []
        for step in steps:
            unit = known[step.step.id]
            number = 0 if briefly else step.number + 1
            past = await self.tries(run_id, step.step.id, number)
            waits = tuple(name for one in step.step.depends_on for name in homes.get(one, ()))
            sync = began is None or began.job.sync
            units.append(_unit(step, unit, past, waits, sync=sync))
        if steps:
            units = await self._decided(run_id, units)
        return RunStanding(
            run_id=run_id,
            status=state.status,
            job=began.job if began else None,
            created=state.created_at or 0.0,
            document=began.document if began else msgspec.convert(_NOTHING, Roadmap),
            units=tuple(units),
        )

    async def _decided(self, run_id: str, units: list[Standing]) -> list[Standing]:
        """With what people have said of them afterwards, in runs of their own."""
        for row in reversed(await self._journal.runs(limit=_PAGE, plan_id=f"review-{run_id}")):
            for step in (await replayed(self._journal, row.run_id)).steps:
                if step.outputs:
                    units = [told(one, step.outputs) for one in units]
        return units


def _keep_under(most: int, known: dict[str, Any]) -> None:
    """Make room for one more: what came first goes."""
    while len(known) >= most:
        del known[next(iter(known))]


async def standing(journal: Journal, run_id: str, runs: Path | None = None) -> RunStanding:
    """Once. Raises `UnknownRun`."""
    return await Standings(journal, runs).of(run_id)


async def of_roadmaps(journal: Journal, plan_id: str | None = None) -> AsyncIterator[RunRow]:
    """The runs of roadmaps, the newest first, also those of a workspace's projects; `plan_id`:
    only those of this plan."""
    before = None
    while rows := await journal.runs(limit=_PAGE, plan_id=plan_id, before=before):
        for row in rows:
            if row.plan_id.startswith("roadmap-"):
                yield row
        before = (rows[-1].created_at, rows[-1].run_id)


def is_unit(step: StepState) -> bool:
    """Whether it is one that completes tasks."""
    return _type(step) == "roadmap-task"


def _type(step: StepState) -> object:
    return (step.step.step_def or {}).get("type")


def _added(state: RunState) -> list[Task]:
    """Tasks that are not in the document: the steps that do them hold them."""
    first = len(state.plan.steps)
    planned = (_planned(step) for step in state.steps[first:] if is_unit(step))
    return [task for one in planned for task in one.tasks if isinstance(task, Task)]


def said_of(state: RunState, unit_id: str) -> tuple[str, ...]:
    """What people have said of a unit while the run was under way."""
    said = (one for one in state.steps if _type(one) == "roadmap-steer")
    steps = (render_value(one.step.step_def or {}, {}) for one in said)
    return tuple(one["text"] for one in steps if one["unit"] == unit_id and one.get("text"))


def unit_of(step: StepState, began: Begun) -> Unit:
    """The unit of such a step."""
    return began.unit(_planned(step))


def _planned(step: StepState) -> Planned:
    definition = {**(step.step.step_def or {})}
    del definition["type"]
    return msgspec.convert(render_value(definition, {}), Planned)


def _unit(
    step: StepState, unit: Unit, past: tuple[Try, ...], waits: tuple[str, ...], *, sync: bool
) -> Standing:
    status, reason = status_of(step)
    over = past and status not in ("pending", "in_progress")
    found = Standing(
        unit=unit,
        status=status,
        reason=reason,
        tries=past,
        commit=str(step.outputs.get("commit", "")),
        unmarked=step.outputs.get("unmarked", {}),
        said=(reason,) if reason.startswith("refused: ") else (),
        waits=waits,
        started=step.first_started,
        ended=max(one.ended for one in past) if over else None,
    )
    return (
        found
        if sync or not found.done
        else replace(found, unmarked=dict.fromkeys(unit.ids, NO_SYNC))
    )


def told(one: Standing, said: Mapping[str, Any]) -> Standing:
    """As it stands after a `roadmap-review` said this."""
    ids = {task.id for task in family(one.unit.tasks)}
    left = {name: why for name, why in one.unmarked.items() if name not in said["marked"]}
    left |= {name: why for name, why in said["unmarked"].items() if name in ids}
    one = replace(one, unmarked=left)
    because = f": {said['reason']}" if said["reason"] else ""
    decided = said["decision"] != "mark" and not ids.isdisjoint(said["tasks"])
    if not decided or not one.status.startswith("done"):
        return one
    if said["decision"] == "accept":
        return replace(one, status="done", reason=f"accepted by {said['by']}{because}")
    how = "rolled back" if said["decision"] == "take_back" else "given up"
    heard = (*one.said, *filter(None, (said["reason"],)))
    return replace(one, status="pending", reason=f"{how}{because}", commit="", said=heard)


def status_of(step: StepState) -> tuple[Outcome, str]:
    """How a unit stands, and why."""
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
