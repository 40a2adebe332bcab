"""A try of a roadmap's task as a plan:

[ask ->] agent -> verify [-> judge -> accept] [-> review] -> merge
where instead of `agent` a task that was too much for one turn has, if need be after
split -> parts, for each of its parts: part -> check
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from stoker.plan.literally import literally, written
from stoker.plan.loader import loads
from stoker.plan.model import Plan
from stoker.plan.validate import Kinds
from stoker.plan.variables import literal
from stoker.roadmaps.parts import Part, unit_of
from stoker.roadmaps.plan import step
from stoker.roadmaps.prompt import part_prompt, review_prompt, split_prompt
from stoker.roadmaps.settings import Options
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
from stoker.roadmaps.unit import Job, Unit
from stoker.steps.kind import Definition


class Frame(Definition, frozen=True, omit_defaults=True):
    """What the steps of a try have in common."""

    job: Job
    unit: Unit
    base: str
    """The commit that its worktree was cut from, and the work begins from."""
    run: str
    """The roadmap's."""
    step: str
    """Which it is a try of."""
    token: str
    """Of the try: it is merged once, however often it is gone on with."""
    last: bool
    """If it fails, there is no other."""
    pending: dict[str, tuple[str, ...]] | None = None
    """Files that other tasks, by their ids, are still to make; None: nothing is suggested."""


def try_plan(frame: Frame, next_: Next, *, cwd: str, prompt: str, rest: str, kinds: Kinds) -> Plan:
    """The plan of one try in the worktree `cwd`. `prompt`: what its first agent is told; `rest`:
    what the agents of parts are told that follow."""
    unit, said = frame.unit, frame.unit.options
    steps: list[dict[str, Any]] = []
    if next_.ask:
        asked = f"{next_.reason[:1500]}. Try {unit.id} again?"
        steps.append(step(ASK, {"type": "approval", "prompt": written(asked)}))
    if next_.split:
        told = _agent(said, said.agent, split_prompt(prompt), model=said.model)
        steps.append(step(SPLIT, told, provides=["summary"], **_limit(said)))
        split = {
            "type": "roadmap-split",
            **_told(frame),
            "said": f"${{{{ prev.{SPLIT}.outputs.summary }}}}",
            "prompt": written(rest),
        }
        steps.append(step(PARTS, split, provides=["parts"]))
    elif next_.parts:
        steps += _parts(frame, next_.parts, next_.done, prompt, rest)
    elif next_.reviewed:
        steps += _ending(frame, "true", next_.reviewed)
    elif unit.gate:
        steps += _verified(frame, "true")
    else:
        agent = _agent(said, said.agent, prompt, model=said.model)
        steps.append(step(AGENT, agent, **_limit(said)))
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
    said, work = frame.unit.options, {**_told(frame), "pending": None}
    steps: list[dict[str, Any]] = []
    good, base = "true", work["base"]
    for number in range(done + 1, len(parts) + 1):
        told = part_prompt(rest if steps else first, parts, number)
        agent = _agent(said, said.agent, told, model=said.model)
        steps.append(step(f"{PART}{number}", agent, condition=good, **_limit(said)))
        check = {
            "type": "roadmap-verify",
            **work,
            "unit": written(msgspec.to_builtins(unit_of(frame.unit, parts, number))),
            "base": base,
            "last": False,
            "goes_on": True,
        }
        name = f"{CHECK}{number}"
        steps.append(step(name, check, condition=good))
        good += f" && prev.{name}.outputs.verdict != 'failed'"
        base = f"${{{{ prev.{name}.outputs.commit }}}}"
    return steps + _verified(frame, good)


def _verified(frame: Frame, good: str) -> list[dict[str, Any]]:
    """What is made of the work in the worktree, if all is `good`: verified, and what follows."""
    verify = {"type": "roadmap-verify", **_told(frame)}
    verified = step(VERIFY, verify, condition=good, provides=["verdict"])
    return [verified, *_ending(frame, f"{good} && prev.{VERIFY}.outputs.verdict != 'failed'", None)]


def _ending(frame: Frame, good: str, reviewed: Reviewed | None) -> list[dict[str, Any]]:
    """Reviewed, looked at, and merged. `reviewed`: what an earlier try has verified."""
    unit, said = frame.unit, frame.unit.options
    steps: list[dict[str, Any]] = []
    reviewer = said.reviewer or (said.agent if said.verify == "agent" else None)
    if reviewer and not unit.gate:
        judge = _agent(said, reviewer, review_prompt(frame.job, unit, frame.base))
        steps.append(step(JUDGE, judge, condition=good, provides=["summary"], **_limit(said)))
        accept = {
            "type": "roadmap-accept",
            "reviewer": written(reviewer),
            "said": f"${{{{ prev.{JUDGE}.outputs.summary }}}}",
        }
        if reviewed is not None:
            accept["run"] = written(reviewed.run)
        steps.append(step(ACCEPT, accept, condition=good, provides=["accepted"]))
        good += f" && prev.{ACCEPT}.outputs.accepted != 'failed'"
    if said.approve == "after" and not unit.gate:
        asked = f"Take over what was done for {unit.id}: {unit.title}?"
        review = {"type": "approval", "prompt": written(asked)}
        steps.append(step(REVIEW, review, condition=good))
    merge = {
        "type": "roadmap-merge",
        **_told(frame),
        "pending": None,
        "work": reviewed.commit if reviewed else f"${{{{ prev.{VERIFY}.outputs.commit }}}}",
    }
    steps.append(step(MERGE, merge, condition=good, provides=["checkpoint"]))
    return steps


def _told(frame: Frame) -> dict[str, Any]:
    """What is of the frame in a step, of that of a divided task, too, which has more."""
    fields = {name: getattr(frame, name) for name in Frame.__struct_fields__}
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
