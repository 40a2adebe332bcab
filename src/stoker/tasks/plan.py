"""An attempt as a plan: what is run before its agent, the agent's turns, and what follows each.

    setup -> agent-1 -> checkpoint-1 -> cleanup-1,  agent-2 -> checkpoint-2 -> cleanup-2,  ...

The first turn is the run's plan, each further one an extension. A step's id is the only
thing that tells what it is for.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from stoker.engine.lifecycle import STEP_OVER
from stoker.engine.state import StepState
from stoker.plan import template
from stoker.plan.variables import literal
from stoker.tasks.errors import Unknown
from stoker.tasks.model import Attempt, Project, Task

Role = Literal["setup", "agent", "checkpoint", "cleanup", "devserver"]

SETUP: Final = "setup"
_STEP = re.compile(r"(agent|checkpoint|cleanup|devserver)-([1-9][0-9]*)")


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a turn comes from; kept with its agent's step."""

    before: str = ""
    """The commit that was checked out when it began; empty: what the attempt was begun from."""
    replaces: int | None = None
    """It takes the place of this turn and all after that."""
    draft: float | None = None
    """When the draft that it began with was written last."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent is told, and how it is to be run."""

    prompt: str
    executor: str
    variant: str | None = None
    session: str | None = None
    """The agent's conversation to go on with."""
    continues: tuple[int, ...] = ()
    """The turns before, whose words it is told should that conversation be lost."""
    images: tuple[str, ...] = ()
    """Absolute paths."""
    origin: Origin = Origin()


def role(step_id: str) -> tuple[Role, int] | None:
    """What a step of an attempt is for, and in which turn (0: before the first); of a dev server,
    which one it is."""
    if step_id == SETUP:
        return "setup", 0
    found = _STEP.fullmatch(step_id)
    return None if found is None else (found[1], int(found[2]))  # type: ignore[return-value]


def plan(project: Project, task: Task, attempt: Attempt, turn: Turn) -> dict[str, Any]:
    """The plan of an attempt's run, as a document."""
    steps = _steps(project, task, attempt, 1, turn)
    if project.setup_script:
        steps[0]["depends_on"] = [SETUP]
        steps.insert(0, script(SETUP, project.setup_script, project))
    return document(f"task-{task.task_id}", task, attempt, steps)


def document(
    plan_id: str, task: Task, attempt: Attempt, steps: list[dict[str, Any]]
) -> dict[str, Any]:
    """A plan whose steps know what they are for."""
    env = {
        "STOKER_TASK_ID": task.task_id,
        "STOKER_ATTEMPT_ID": attempt.attempt_id,
        "STOKER_BRANCH": attempt.branch,
    }
    return {
        "plan_id": plan_id,
        "description": literal(task.title),
        "globals": {"env": env},
        "steps": steps,
    }


def follow_up(project: Project, task: Task, attempt: Attempt, number: int, turn: Turn) -> str:
    """The steps of turn `number`, as an extension of the run."""
    return extension(*_steps(project, task, attempt, number, turn))


def extension(*steps: dict[str, Any]) -> str:
    """Steps that are to be added to a run."""
    return msgspec.json.encode({"steps": steps}).decode()


def script(step_id: str, text: str, project: Project) -> dict[str, Any]:
    """A step of a project's own, in its directory."""
    where = {"cwd": _written(project.directory)} if project.directory else {}
    return {"id": step_id, "run": _written(text), **where}


def _steps(
    project: Project, task: Task, attempt: Attempt, number: int, turn: Turn
) -> list[dict[str, Any]]:
    agent: dict[str, Any] = {
        "type": "agent",
        "profile": _written(turn.executor + (f":{turn.variant}" if turn.variant else "")),
        "prompt": _written(turn.prompt),
        "warm": True,
    }
    if turn.session is not None:
        agent["session"] = _written(turn.session)
    if turn.continues:
        agent["continues"] = [f"agent-{earlier}" for earlier in turn.continues]
    if turn.images:
        agent["images"] = [_written(path) for path in turn.images]
    where = {}
    if project.directory:
        where["cwd"] = _written(project.directory)
        agent["worktree"] = _written(attempt.worktree)
    # Work is kept however the agent ended, also after a failure: nothing is lost.
    steps: list[dict[str, Any]] = [
        {
            "id": f"agent-{number}",
            "step_def": agent,
            "on_failure": "continue",
            "ui_hints": msgspec.to_builtins(turn.origin),
            **where,
        },
        {
            "id": f"checkpoint-{number}",
            "step_def": {"type": "checkpoint", "message": _written(task.title), "turn": number},
            "depends_on": [f"agent-{number}"],
        },
    ]
    if project.cleanup_script:
        steps.append(
            script(f"cleanup-{number}", project.cleanup_script, project)
            | {"depends_on": [f"checkpoint-{number}"], "critical": False}
        )
    return steps


def _written(text: str) -> str:
    """What stands for `text` in a plan, whatever people and agents write."""
    return literal(template.escape(text))


def prompt(task: Task) -> str:
    """What an agent is told of a task."""
    return "\n\n".join(filter(None, (task.title, task.description)))


def last(steps: list[StepState]) -> int:
    """The number of the last turn; 0 before the first."""
    return max((found[1] for step in steps if (found := role(step.step.id))), default=0)


def ended(steps: list[StepState]) -> StepState | None:
    """The agent's step of the last turn that is over."""
    turns = reversed(agents(steps).values())
    return next((step for step in turns if step.status in STEP_OVER), None)


def agents(steps: list[StepState]) -> dict[int, StepState]:
    """The agent's step of each turn."""
    found = ((role(step.step.id), step) for step in steps)
    return {of[1]: step for of, step in found if of is not None and of[0] == "agent"}


def begun(steps: list[StepState], turn: int) -> Origin:
    """Where a turn comes from."""
    return _origin(agents(steps)[turn])


def _origin(step: StepState) -> Origin:
    return msgspec.convert(step.step.ui_hints, Origin)


def dropped(steps: list[StepState]) -> set[int]:
    """The turns that later ones have taken the place of."""
    gone: set[int] = set()
    for turn, step in agents(steps).items():
        if (first := _origin(step).replaces) is not None:
            gone.update(range(first, turn))
    return gone


def shown(steps: list[StepState], turn: int) -> int:
    """How many steps but checkpoints a turn has, together with those after it."""
    gone = dropped(steps)
    found = (role(step.step.id) for step in steps)
    return sum(
        of is not None and of[0] != "checkpoint" and of[1] >= turn and of[1] not in gone
        for of in found
    )


def standing(steps: list[StepState], turn: int | None) -> int:
    """`turn`. Raises `Unknown` if it was never begun, or is dropped."""
    if turn is None or turn not in agents(steps) or turn in dropped(steps):
        raise Unknown("turn", str(turn))
    return turn


class Past(msgspec.Struct, frozen=True):
    """What an agent is to remember."""

    session: str | None
    """Its conversation: the last that has told its id, and knows of nothing that is dropped."""
    turns: tuple[int, ...]
    """Those it was in."""


def past(steps: list[StepState], replaces: int | None = None) -> Past:
    """Of a turn to come, which takes the place of `replaces` and all later ones."""
    gone = dropped(steps)
    if replaces is not None:
        gone.update(range(replaces, last(steps) + 1))
    turns = agents(steps)
    forgotten = {_session(step) for turn, step in turns.items() if turn in gone}
    kept = tuple(turn for turn in turns if turn not in gone)
    found = next((one for turn in reversed(kept) if (one := _session(turns[turn]))), "")
    return Past(None if found in forgotten else found or None, kept)


def _session(step: StepState) -> str:
    found = step.outputs.get("session_id")
    return found if isinstance(found, str) else ""
