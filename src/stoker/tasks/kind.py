"""Kind `task`: a step of a plan that is a task. A coding agent works at it on a branch of its
own, and what it has found or made goes on to the next step.

So plans fan tasks out, wait for all and feed their results into what follows.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final
from uuid import UUID, uuid5

from stoker.engine.kinds import Attempt, Result, StepFailed, Work
from stoker.plan.model import Step
from stoker.steps.kind import BaseKind, Definition
from stoker.tasks import plan
from stoker.tasks.errors import TasksError, Unknown
from stoker.tasks.model import Attempt as TaskAttempt
from stoker.tasks.service import Tasks, opened
from stoker.workspace.errors import WorkspaceError

_STEPS: Final = UUID("8d3f7a52-60a5-4f0e-9d0b-2a2f5a0b8c11")
"""Tasks of steps have ids that follow from the steps: trying again is another attempt at one."""


class TaskStep(Definition, frozen=True, kw_only=True):
    """What is to be done, and by whom. The repository is that of the step's directory."""

    title: str
    """What is to be done, in a line."""
    description: str | None = None
    """And in full."""
    agent: str
    """Executor, or `EXECUTOR:VARIANT`, such as `CODEX:APPROVALS`."""
    base_branch: str | None = None
    """What the work begins from; default: the branch checked out in the repository."""
    merge: bool = False
    """Squash the work into that branch at the end; the step fails if that has gone elsewhere."""


class TaskKind(BaseKind[TaskStep]):
    """Outputs: `task_id`, `attempt_id`, `branch`, `commit` (the last on the branch) and, of its
    agent, `summary` (the last message) and `cost_usd`."""

    name = "task"
    definition = TaskStep
    on_interrupt = "adopt"
    takes_slot = False  # its agent's step does

    def check(self, step: Step, definition: TaskStep) -> list[str]:
        """A title and an agent, neither empty."""
        return [
            f"{name}: expected text, found nothing"
            for name in ("title", "agent")
            if not getattr(definition, name).strip()
        ]

    def tool(self, step: Step, definition: TaskStep) -> str:
        """The executor: one whose service is down fails for all."""
        return definition.agent.partition(":")[0]

    def start(self, step: Step, definition: TaskStep, attempt: Attempt) -> Work:
        """The task and an attempt at it; another one if the step is tried again."""
        return _work(definition, attempt)


async def _work(definition: TaskStep, attempt: Attempt) -> Result:
    text = f"{definition.title}\n{definition.description}"
    if attempt.redact(text) != text:
        raise StepFailed("title, description: a secret in them would be stored with the task")
    try:
        tasks = await attempt.shared(opened)
        begun = await _begin(tasks, definition, attempt)
        attempt.write(f"attempt {begun.attempt_id} on branch {begun.branch}\n")
        try:
            await tasks.turns.settled(begun.attempt_id)
        except asyncio.CancelledError:
            if not tasks.progress.leaving(attempt.run_id):
                await tasks.turns.stop(begun.attempt_id)
            raise
        return await _result(tasks, definition, begun)
    except (TasksError, WorkspaceError) as error:
        raise StepFailed(str(error)) from error


async def _begin(tasks: Tasks, definition: TaskStep, attempt: Attempt) -> TaskAttempt:
    executor, _, variant = definition.agent.partition(":")
    with_whom: dict[str, Any] = {
        "executor": executor,
        "variant": variant or None,
        "base_branch": definition.base_branch,
        "request_key": attempt.token,
    }
    task_id = str(uuid5(_STEPS, f"{attempt.run_id}/{attempt.step_id}"))
    if attempt.number > 1:
        with suppress(Unknown):  # the first could not be begun
            return (await tasks.starter.start(task_id, **with_whom)).attempt
    project = await tasks.catalog.project_of(attempt.cwd)
    begun = await tasks.starter.create_and_start(
        project.project_id,
        definition.title,
        definition.description,
        task_id=task_id,
        **with_whom,
    )
    return begun.attempt


async def _result(tasks: Tasks, definition: TaskStep, begun: TaskAttempt) -> Result:
    state = await tasks.progress.state(begun)
    agent: dict[str, Any] = state[f"agent-{plan.last(state.steps)}"].outputs
    worktree = await tasks.catalog.worktree(begun)
    outputs = {
        "task_id": begun.task_id,
        "attempt_id": begun.attempt_id,
        "branch": begun.branch,
        "commit": await worktree.head(),
        "summary": agent.get("summary", ""),
        "cost_usd": agent.get("cost_usd"),
    }
    if state.status != "succeeded":
        raise StepFailed(f"attempt {begun.attempt_id} {state.status}: {state.reason}")
    if definition.merge:
        merged = await tasks.work.merge(begun.attempt_id)
        outputs["commit"] = merged.commit
    return Result(outputs=outputs)


KIND = TaskKind()
