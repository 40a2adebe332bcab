"""Kind `roadmap-checkpoint`: branches of several repositories move on together or not at all.

Twice a step of a run: without `moves` it says what is to be moved, which is in the journal
before the step with `moves` begins. Killed in the middle that one is gone on with by a resume,
and what cannot be finished is undone.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import msgspec
from msgspec import Struct

from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.plan.model import Step
from stoker.roadmaps import integration
from stoker.roadmaps.bench import Bench, opened
from stoker.steps.kind import BaseKind, Definition
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.worktree import checked_out


class Ref(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A branch that is to move on to another."""

    root: str
    work: str
    branch: str


class Move(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From one commit to another."""

    root: str
    branch: str
    old: str
    """Empty: there was no such branch."""
    new: str


class Checkpoint(Definition, frozen=True):
    """Which."""

    refs: tuple[Ref, ...]
    moves: tuple[Move, ...] | None = None


class CheckpointKind(BaseKind[Checkpoint]):
    """Outputs: `moves`."""

    name = "roadmap-checkpoint"
    definition = Checkpoint
    takes_slot = False

    def tool(self, step: Step, definition: Checkpoint) -> str:
        """git."""
        return "git"

    async def start(self, step: Step, definition: Checkpoint, attempt: Attempt) -> Result:
        """What is to be moved, or moving it."""
        bench = await attempt.shared(opened)
        try:
            moves = definition.moves
            if moves is None:
                found = [await _intended(bench, ref) for ref in definition.refs]
                moves = tuple(move for move in found if move is not None)
            else:
                await _together(bench, moves)
        except (WorkspaceError, OSError) as error:
            raise StepFailed(str(error)) from error
        return Result(exit_code=0, outputs={"moves": msgspec.to_builtins(moves)})


async def _intended(bench: Bench, ref: Ref) -> Move | None:
    repository = await bench.repository(ref.root)
    await repository.check_branch_name(ref.branch)
    names = (f"refs/heads/{ref.work}", f"refs/heads/{ref.branch}")
    new, old = await repository.resolve(*names)
    if new is None or new == old:
        return None
    if old is not None and (await repository.ahead_behind(old, new))[0]:
        raise StepFailed(f"{ref.root}: {ref.branch} has commits that {ref.work} lacks; merge them")
    return Move(root=ref.root, branch=ref.branch, old=old or "", new=new)


async def _together(bench: Bench, moves: tuple[Move, ...]) -> None:
    """All of them, also what an attempt that was killed has begun; or none."""
    async with AsyncExitStack() as held:
        for move in sorted(moves, key=lambda one: (one.root, one.branch)):
            repository = await bench.repository(move.root)
            await held.enter_async_context(integration.queue(repository, move.branch))
        try:
            for move in moves:
                await _move(bench, move)
        except BaseException:  # cancelled, too
            undone = await asyncio.gather(*(_undo(bench, m) for m in moves), return_exceptions=True)
            if left := [str(error) for error in undone if error is not None]:
                raise StepFailed(f"only in part, which cannot be undone: {left[0]}") from None
            raise


async def _move(bench: Bench, move: Move) -> None:
    repository = await bench.repository(move.root)
    (there,) = await repository.resolve(f"refs/heads/{move.branch}")
    if there == move.new:
        return
    if (there or "") != move.old:
        raise StepFailed(f"{move.root}: somebody has moved {move.branch} meanwhile")
    if there is None:
        await integration.prepare(repository, move.branch, move.new)
    else:
        await integration.advance(repository, move.branch, move.new)


async def _undo(bench: Bench, move: Move) -> None:
    repository = await bench.repository(move.root)
    name = f"refs/heads/{move.branch}"
    if (await repository.resolve(name))[0] != move.new:
        return
    if not move.old:
        await repository.git.run("update-ref", "-d", name, move.new)
    elif (there := await checked_out(repository, move.branch)) is not None:
        await there.git.run("reset", "--quiet", "--keep", move.old)
    else:
        await repository.git.run("update-ref", "-m", "undone", name, move.old, move.new)


KIND = CheckpointKind()
