"""A roadmap as a plan of the engine: a step for each unit of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from stoker.plan.errors import PlanError, Problem
from stoker.plan.literally import written
from stoker.plan.loader import loads
from stoker.plan.model import Plan
from stoker.plan.validate import Kinds
from stoker.plan.variables import literal
from stoker.roadmaps import begun, grouping
from stoker.roadmaps.begun import Begun
from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.importing import imports
from stoker.roadmaps.order import Placed, order
from stoker.roadmaps.settings import Settings
from stoker.roadmaps.unit import Job, Unit, family

AGAIN: Final = 75
"""Exit code of a try that another one follows (EX_TEMPFAIL)."""
_MOST_ASKED: Final = 20
"""Steps in a condition; the last ones count."""
_ENDLESS: Final = 100_000
"""Retries of the engine: how many there really are follows from the tries."""


def units_of(roadmap: Roadmap, settings: Settings) -> list[Placed]:
    """What is to be done, in an order it can be done in. Raises `PlanError`: tasks wait for each
    other."""
    chosen = grouping.units(roadmap, settings)
    if settings.only:
        only = set(settings.only)
        if unknown := only - {task.id for task in roadmap.walk()}:
            names = ", ".join(sorted(unknown))
            raise PlanError([Problem(message=f"{roadmap.source}: there is no task {names}")])
        chosen = [unit for unit in chosen if only & {t.id for t in family(unit.tasks)}]
    named = [path for unit in chosen for path in unit.files] if settings.infer else []
    found = order(
        chosen,
        roadmap.phases,
        infer=settings.infer,
        one_by_one=settings.parallel == 1,
        imports=imports(Path(roadmap.root), named) if len(chosen) > 1 else {},
    )
    return found[: settings.max_tasks]


def refusals(roadmap: Roadmap, settings: Settings) -> list[Problem]:
    """Why it may not be run: errors of its reader, and checklists that are not complete."""
    found = [
        Problem(message=f"{one.path}:{one.line}:{one.column}: {one.message}")
        for one in roadmap.problems
        if one.severity == "error"
    ]
    if not settings.ignore_gates:
        for gate in roadmap.gates:
            if left := [item for item in gate.items if not item.done]:
                found.append(
                    Problem(
                        message=f"{gate.path}:{left[0].line}: checklist {gate.name!r} is not "
                        f"complete, {len(left)} of {len(gate.items)} are open (--ignore-gates "
                        "runs all the same)"
                    )
                )
    return found


def plan(
    roadmap: Roadmap, units: Sequence[Placed], job: Job, settings: Settings, *, kinds: Kinds
) -> Plan | None:
    """The plan of a run of these units; None if there are none. Raises `PlanError`."""
    if problems := refusals(roadmap, settings):
        raise PlanError(problems)
    if not units:
        return None
    began = begun.begun(roadmap, job, settings)
    document = {
        "plan_id": job.plan_id,
        "description": literal(roadmap.title),
        "metadata": begun.metadata(began, settings),
        "globals": {
            "max_concurrency": settings.parallel,
            **({"max_run_duration_sec": s} if (s := settings.budget.seconds) else {}),
        },
        "steps": _steps(units, began, settings, {}),
    }
    return loads(msgspec.json.encode(document), kinds=kinds).plan


def _steps(
    found: Sequence[Placed], began: Begun, settings: Settings, homes: Mapping[str, str]
) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    names = [homes.get(placed.unit.tasks[0].id, placed.unit.id) for placed in found]
    for place, placed in enumerate(found):
        unit = placed.unit
        made = _unit_step(began, unit, unit.id)
        made["depends_on"] = list(dict.fromkeys(names[other] for other in placed.waits))
        made["on_failure"] = "abort" if settings.on_failure == "stop" else "skip_dependents"
        if placed.follows:  # to ask how one stands is to wait until it is over
            asked = (f"prev[{_quoted(names[n])}].status" for n in placed.follows[-_MOST_ASKED:])
            made["condition"] = " && ".join(f"{status} != 'pending'" for status in asked)
        if unit.options.strategy == "rollback_all":
            made["on_failure"] = "abort"
        elif unit.options.strategy == "skip":
            made |= {"critical": False, "on_failure": "skip_dependents"}
        every = settings.approve_every
        if unit.options.approve == "before" or (every and place and place % every == 0):
            made["approval"] = {"prompt": written(f"Begin {unit.id}: {unit.title}?"[:500])}
        steps.append(made)
    return steps


def _unit_step(began: Begun, unit: Unit, step_id: str) -> dict[str, Any]:
    return {
        "id": step_id,
        "name": literal(unit.title[:200]),
        "step_def": {"type": "roadmap-task", **written(msgspec.to_builtins(began.planned(unit)))},
        # Another run of the same file waits here, and finds the box ticked.
        "locks": [written(f"{began.job.branch}/{unit.id}")],
        "retries": _ENDLESS,
        "retry": {"delay_sec": 0, "on_exit_codes": [AGAIN]},
    }


def needed(began: Begun, unit: Unit, step_id: str) -> str:
    """The step that a run is extended by to do `unit` before another that needs it; the other is
    tried again whatever becomes of it."""
    made = _unit_step(began, unit, step_id)
    made |= {"on_failure": "skip_dependents", "critical": False}
    return msgspec.json.encode({"steps": [made]}).decode()


def extension(
    began: Begun, new: Sequence[Task], settings: Settings, homes: Mapping[str, str]
) -> str:
    """The steps that a run is extended by to do `new` tasks as well, each by itself; `homes`: by
    ids of tasks the steps that there are. Raises `PlanError`: they wait for each other."""
    whole = replace(began.document, tasks=(*began.tasks.values(), *new))
    ids = {task.id for task in new}
    places = units_of(whole, replace(settings, grouping="none", mode="task"))
    steps = _steps(places, began, settings, homes)
    chosen = [
        step for step, one in zip(steps, places, strict=True) if ids.intersection(one.unit.ids)
    ]
    return msgspec.json.encode({"steps": chosen}).decode()


def steering(unit: str, text: str, *, interrupt: bool, by: str, token: str) -> str:
    """The step, as a run is extended by it, that says something of a unit. `token`: another for
    each time."""
    told = {"unit": written(unit), "text": written(text), "interrupt": interrupt, "by": written(by)}
    steps = [step(f"steer-{token}", {"type": "roadmap-steer", **told})]
    return msgspec.json.encode({"steps": steps}).decode()


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def step(step_id: str, definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A step of a document."""
    return {"id": step_id, "step_def": definition, **more}
