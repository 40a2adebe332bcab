"""What was done for some tasks taken back: their checkpoints are reverted on the roadmap's branch,
and their boxes opened again. What the user has checked out is not touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from stoker.roadmaps import integration
from stoker.roadmaps.standing import RunStanding
from stoker.workspace import creation
from stoker.workspace.commit import commit
from stoker.workspace.errors import MergeConflict
from stoker.workspace.repository import Repository

_VALUES = "%x00%(trailers:key={},valueonly,separator=%x1f)"
_NAMES = ("Stoker-Run", "Stoker-Task", "Stoker-Reverts")
_FORMAT = f"%H{''.join(map(_VALUES.format, _NAMES))}%x00%s%x1e"


class Checkpoint(Struct, frozen=True, kw_only=True):
    """A commit of a task on the roadmap's branch."""

    commit: str
    tasks: tuple[str, ...]
    subject: str


async def checkpoints(repository: Repository, branch: str, run: str) -> list[Checkpoint]:
    """Those of a run on the branch that are not reverted, the newest first. Other runs, and other
    roadmaps, have tasks with the same ids."""
    args = ("log", "--first-parent", f"--format={_FORMAT}", f"refs/heads/{branch}")
    gone: set[str] = set()
    found = []
    for record in (await repository.git.text(*args)).split("\x1e"):
        if not record.strip():
            continue
        oid, made_by, tasks, reverts, subject = record.strip("\n").split("\0", 4)
        gone.update(filter(None, reverts.split("\x1f")))
        if tasks and made_by == run and oid not in gone and not reverts:
            named = tuple(filter(None, tasks.split("\x1f")))
            found.append(Checkpoint(commit=oid, tasks=named, subject=subject))
    return found


def dependents(run: RunStanding, tasks: Sequence[str], done: Sequence[Checkpoint]) -> list[str]:
    """Tasks with checkpoints that wait, directly or not, for what is to be taken back."""
    standing = {task for one in done for task in one.tasks}
    gone = set(tasks)
    found: list[str] = []
    waits = {unit.unit.ids: unit.waits for unit in run.units}
    changed = True
    while changed:
        changed = False
        for ids, before in waits.items():
            if not gone.isdisjoint(before) and gone.isdisjoint(ids):
                gone.update(ids)
                found += (name for name in ids if name in standing)
                changed = True
    return found


async def reverted(
    repository: Repository, branch: str, token: str
) -> tuple[str, tuple[str, ...]] | None:
    """The commit that was made for this `token`, and the commits that it reverts; None: there is
    none yet."""
    names = ("Stoker-Rollback", "Stoker-Reverts")
    args = ("log", f"--format=%H{''.join(map(_VALUES.format, names))}%x1e", f"refs/heads/{branch}")
    for record in (await repository.git.text(*args)).split("\x1e"):
        oid, _, rest = record.strip("\n").partition("\0")
        made_for, _, gone = rest.partition("\0")
        if made_for == token:
            return oid, tuple(filter(None, gone.split("\x1f")))
    return None


async def revert(
    repository: Repository, state: Path, branch: str, chosen: Sequence[Checkpoint], token: str
) -> str:
    """Revert checkpoints, given the newest first, as one commit; the branch's commit then. Done
    already for this `token`, nothing is done. Raises `MergeConflict` if what came later changed
    the same places: then nothing is changed; `WorktreeDirty`."""
    name = f"rollback-{token}"
    path = state / "worktrees" / integration.slug(name)
    temporary = f"roadmap-try/{integration.slug(name)}"
    async with integration.queue(repository, branch):
        tip = await integration.tip(repository, branch)
        if (before := await reverted(repository, branch, token)) is not None:
            return before[0]
        await integration.leave(repository, path, temporary)
        worktree = await creation.create(repository, path, temporary, tip)
        try:
            for one in chosen:
                words = ("revert", "--no-commit", "--no-gpg-sign", one.commit)
                output = await worktree.git.run(*words, accept=(0, 1))
                if output.code:
                    files = await worktree.conflicts()
                    await worktree.git.run("revert", "--abort", accept=(0, 1, 128))
                    raise MergeConflict(files or (one.subject,), "revert")
            await worktree.git.run("revert", "--quit", accept=(0, 1, 128))
            tasks = list(dict.fromkeys(task for one in chosen for task in one.tasks))
            made = await commit(
                worktree,
                f"rollback({', '.join(tasks)}): {chosen[-1].subject}"[:100],
                trailers=(
                    *(("Stoker-Reverts", one.commit) for one in chosen),
                    ("Stoker-Rollback", token),
                ),
                break_lock=True,
            )
            if made.oid is not None:
                await integration.advance(repository, branch, made.oid)
        finally:
            await integration.leave(repository, path, temporary)
        return made.oid or tip
