"""Kind `checkpoint`: commits what an agent has left in its worktree, whatever became of it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.plan.model import Step
from stoker.steps.kind import BaseKind, Definition
from stoker.tasks.trailers import noted
from stoker.workspace.commit import commit
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.message import Trailers
from stoker.workspace.model import Committed
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree


class Checkpoint(Definition, frozen=True, kw_only=True):
    """What the commit says."""

    message: str
    turn: int = 1


class CheckpointKind(BaseKind[Checkpoint]):
    """Outputs `commit`: the new commit's id, empty if there was nothing to commit."""

    name = "checkpoint"
    definition = Checkpoint
    takes_slot = False

    def check(self, step: Step, definition: Checkpoint) -> list[str]:
        """A message that is not empty."""
        return [] if definition.message.strip() else ["message: expected text, found nothing"]

    def tool(self, step: Step, definition: Checkpoint) -> str:
        """git."""
        return "git"

    def start(
        self, step: Step, definition: Checkpoint, attempt: Attempt
    ) -> Coroutine[Any, Any, Result]:
        """One commit, or none."""
        return _commit(definition, attempt)


def subject(message: str) -> str:
    """The first line of a commit that a message which is not empty makes."""
    return message.strip().splitlines()[0][:72]


async def keep(worktree: Worktree, message: str, more: Trailers = ()) -> Committed:
    """Commit what is left in an attempt's worktree, with what is noted there, and `more`."""
    # The agent is over: a lock on the index can only be that of a git that was killed.
    lines = (*noted(worktree), *more)
    return await commit(worktree, subject(message), trailers=lines, break_lock=True)


async def _commit(definition: Checkpoint, attempt: Attempt) -> Result:
    trailers = (("Stoker-Run", attempt.run_id), ("Stoker-Turn", str(definition.turn)))
    try:
        repository = await Repository.open(attempt.cwd)
        made = await keep(Worktree.open(repository, attempt.cwd), definition.message, trailers)
    except (WorkspaceError, OSError) as error:
        raise StepFailed(str(error)) from error
    for path in made.skipped:
        attempt.write(f"left out of the commit: {path}\n", error=True)
    return Result(exit_code=0, outputs={"commit": made.oid or ""})


KIND = CheckpointKind()
