"""A roadmap as a plan of the engine: a step for each unit of work; and a try of one as a plan.

roadmap-task, and in each try of it:
[ask ->] agent -> verify [-> judge -> accept] [-> review] -> merge
where instead of `agent` a task that was too much for one turn has, if need be after
split -> parts, for each of its parts: part -> check
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.plan.errors import PlanError, Problem
from stoker.plan.loader import loads
from stoker.plan.model import Plan
from stoker.plan.validate import Kinds
from stoker.plan.variables import literal
from stoker.roadmaps import begun, grouping
from stoker.roadmaps.begun import Begun, literally, written
from stoker.roadmaps.document import Roadmap, Task
from stoker.roadmaps.importing import imports
from stoker.roadmaps.order import Placed, order
from stoker.roadmaps.parts import Part, unit_of
from stoker.roadmaps.prompt import part_prompt, review_prompt, split_prompt
from stoker.roadmaps.settings import Options, Settings
from stoker.roadmaps.tries import (
    ACCEPT,
    AGENT,
    ASK,
    CHECK,
    JUDGE,
    MERGE,
    PART,
    PARTS,
    REVIEW,
    SPLIT,
    VERIFY,
    Next,
    Reviewed,
)
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
        step = _unit_step(began, unit, unit.id)
        step["depends_on"] = list(dict.fromkeys(names[other] for other in placed.waits))
        step["on_failure"] = "abort" if settings.on_failure == "stop" else "skip_dependents"
        if placed.follows:  # to ask how one stands is to wait until it is over
            asked = (f"prev[{_quoted(names[n])}].status" for n in placed.follows[-_MOST_ASKED:])
            step["condition"] = " && ".join(f"{status} != 'pending'" for status in asked)
        if unit.options.strategy == "rollback_all":
            step["on_failure"] = "abort"
        elif unit.options.strategy == "skip":
            step |= {"critical": False, "on_failure": "skip_dependents"}
        every = settings.approve_every
        if unit.options.approve == "before" or (every and place and place % every == 0):
            step["approval"] = {"prompt": written(f"Begin {unit.id}: {unit.title}?"[:500])}
        steps.append(step)
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
    step = _unit_step(began, unit, step_id)
    step |= {"on_failure": "skip_dependents", "critical": False}
    return msgspec.json.encode({"steps": [step]}).decode()


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
    step = _step(f"steer-{token}", {"type": "roadmap-steer", **told})
    return msgspec.json.encode({"steps": [step]}).decode()


class Frame(Struct, frozen=True, kw_only=True):
    """What the steps of a try have in common."""

    job: Job
    unit: Unit
    base: str
    """The commit its worktree was cut from."""
    run: str
    """The roadmap's."""
    step: str
    """Which it is a try of."""
    token: str
    """The same whenever this try is gone on with."""
    last: bool
    """If it fails, there is no other."""
    pending: dict[str, tuple[str, ...]] | None
    """See `roadmap-verify`."""


def try_plan(frame: Frame, next_: Next, *, cwd: str, prompt: str, rest: str, kinds: Kinds) -> Plan:
    """The plan of one try in the worktree `cwd`. `prompt`: what its first agent is told; `rest`:
    what the agents of parts are told that follow."""
    unit, said = frame.unit, frame.unit.options
    steps: list[dict[str, Any]] = []
    if next_.ask:
        asked = f"{next_.reason[:1500]}. Try {unit.id} again?"
        steps.append(_step(ASK, {"type": "approval", "prompt": written(asked)}))
    if next_.split:
        told = _agent(said, said.agent, split_prompt(prompt), model=said.model)
        steps.append(_step(SPLIT, told, provides=["summary"], **_limit(said)))
        split = {
            "type": "roadmap-split",
            **written(msgspec.to_builtins(frame)),
            "said": f"${{{{ prev.{SPLIT}.outputs.summary }}}}",
            "prompt": written(rest),
        }
        steps.append(_step(PARTS, split, provides=["parts"]))
    elif next_.parts:
        steps += _parts(frame, next_.parts, next_.done, prompt, rest)
    elif next_.reviewed:
        steps += _ending(frame, "true", next_.reviewed)
    elif unit.gate:
        steps += _verified(frame, "true")
    else:
        agent = _agent(said, said.agent, prompt, model=said.model)
        steps.append(_step(AGENT, agent, **_limit(said)))
        steps += _verified(frame, "true")
    document = {
        "plan_id": literal(f"try-{unit.id}"[:200]),
        "metadata": {
            "parts": literally(msgspec.to_builtins(next_.parts)),
            "done": next_.done,
        },
        "globals": {"max_concurrency": 1, "cwd": written(cwd)},
        "steps": _in_order(steps),
    }
    return loads(msgspec.json.encode(document), kinds=kinds).plan


def divided(frame: Frame, after: str, parts: Sequence[Part], rest: str) -> str:
    """The steps that a try is extended by behind the step `after`, which has divided its task."""
    steps = _in_order(_parts(frame, parts, 0, rest, rest))
    steps[0]["depends_on"] = [after]
    return msgspec.json.encode({"steps": steps}).decode()


def _parts(
    frame: Frame, parts: Sequence[Part], done: int, first: str, rest: str
) -> list[dict[str, Any]]:
    """Each part that is not done: its agent, and its verification against the part before."""
    said, work = frame.unit.options, _work(frame)
    steps: list[dict[str, Any]] = []
    good, base = "true", work["base"]
    for number in range(done + 1, len(parts) + 1):
        told = part_prompt(rest if steps else first, parts, number)
        agent = _agent(said, said.agent, told, model=said.model)
        steps.append(_step(f"{PART}{number}", agent, condition=good, **_limit(said)))
        check = {
            "type": "roadmap-verify",
            **work,
            "unit": written(msgspec.to_builtins(unit_of(frame.unit, parts, number))),
            "base": base,
            "last": False,
            "goes_on": True,
        }
        name = f"{CHECK}{number}"
        steps.append(_step(name, check, condition=good))
        good += f" && prev.{name}.outputs.verdict != 'failed'"
        base = f"${{{{ prev.{name}.outputs.commit }}}}"
    return steps + _verified(frame, good)


def _verified(frame: Frame, good: str) -> list[dict[str, Any]]:
    """What is made of the work in the worktree, if all is `good`: verified, and what follows."""
    verify: dict[str, Any] = {"type": "roadmap-verify", **_work(frame)}
    if frame.pending is not None:
        verify["pending"] = written(frame.pending)
    step = _step(VERIFY, verify, condition=good, provides=["verdict"])
    return [step, *_ending(frame, f"{good} && prev.{VERIFY}.outputs.verdict != 'failed'", None)]


def _ending(frame: Frame, good: str, reviewed: Reviewed | None) -> list[dict[str, Any]]:
    """Reviewed, looked at, and merged. `reviewed`: what an earlier try has verified."""
    unit, said = frame.unit, frame.unit.options
    steps: list[dict[str, Any]] = []
    reviewer = said.reviewer or (said.agent if said.verify == "agent" else None)
    if reviewer and not unit.gate:
        judge = _agent(said, reviewer, review_prompt(frame.job, unit, frame.base))
        steps.append(_step(JUDGE, judge, condition=good, provides=["summary"], **_limit(said)))
        accept = {
            "type": "roadmap-accept",
            "reviewer": written(reviewer),
            "said": f"${{{{ prev.{JUDGE}.outputs.summary }}}}",
        }
        if reviewed is not None:
            accept["run"] = written(reviewed.run)
        steps.append(_step(ACCEPT, accept, condition=good, provides=["accepted"]))
        good += f" && prev.{ACCEPT}.outputs.accepted != 'failed'"
    if said.approve == "after" and not unit.gate:
        asked = f"Take over what was done for {unit.id}: {unit.title}?"
        review = {"type": "approval", "prompt": written(asked)}
        steps.append(_step(REVIEW, review, condition=good))
    merge = {
        "type": "roadmap-merge",
        **_work(frame),
        "work": reviewed.commit if reviewed else f"${{{{ prev.{VERIFY}.outputs.commit }}}}",
        "token": written(frame.token),
        "step": written(frame.step),
    }
    steps.append(_step(MERGE, merge, condition=good, provides=["checkpoint"]))
    return steps


def _work(frame: Frame) -> dict[str, Any]:
    """What verifying and merging are told."""
    fields = {name: getattr(frame, name) for name in ("job", "unit", "base", "run", "last")}
    found: dict[str, Any] = written(msgspec.to_builtins(fields))
    return found


def _in_order(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for earlier, later in itertools.pairwise(steps):
        later["depends_on"] = [earlier["id"]]
    return steps


def _limit(said: Options) -> dict[str, Any]:
    return {"timeout_sec": said.timeout_sec} if said.timeout_sec else {}


def _agent(said: Options, profile: str, prompt: str, model: str | None = None) -> dict[str, Any]:
    agent: dict[str, Any] = {
        "type": "agent",
        "profile": written(profile),
        "prompt": written(prompt),
        "asks": "run",
    }
    if model:
        agent["model"] = written(model)
    if said.pause_destructive:
        agent |= {"pause_destructive": True, "destructive": written(said.destructive)}
    return agent


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _step(step_id: str, definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": step_id, "step_def": definition, **more}
