"""What was done for some tasks taken back: their checkpoints are reverted on the roadmap's branch.
What the user has checked out is not touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from stoker.roadmaps import integration
from stoker.roadmaps.identity import slug
from stoker.roadmaps.standing import RunStanding
from stoker.workspace import creation
from stoker.workspace.commit import commit
from stoker.workspace.errors import MergeConflict
from stoker.workspace.repository import Repository

_VALUES = "%x00%(trailers:key={},valueonly,separator=%x1f)"
_TRAILERS = ("Stoker-Rollback", "Stoker-Reverts", "Stoker-Run", "Stoker-Task")
_FORMAT = f"%H{''.join(map(_VALUES.format, _TRAILERS))}%x1e"


def dependents(run: RunStanding, tasks: Collection[str]) -> list[str]:
    """Tasks that were merged and wait, directly or not, for what is to be taken back."""
    merged = {task for one in run.units if one.commit for task in one.unit.ids}
    waits = {task: one.waits for one in run.units for task in one.unit.ids}
    return [task for task in waiting(waits, tasks) if task in merged]


def waiting(waits: Mapping[str, Collection[str]], names: Collection[str]) -> list[str]:
    """What waits, directly or not, for some of `names`, which are not among it."""
    found, size = set(names), -1
    while size != len(found):
        size = len(found)
        found |= {name for name, before in waits.items() if not found.isdisjoint(before)}
    return [name for name in waits if name in found and name not in names]


async def revert(
    repository: Repository,
    state: Path,
    branch: str,
    run: str,
    tasks: Sequence[str],
    token: str,
) -> tuple[str, tuple[str, ...]]:
    """Revert the checkpoints that a run has made for `tasks` on the branch, as one; the branch's
    commit then, and what it reverts. Done already for this `token`, nothing is done. Raises
    `MergeConflict` if what came later changed the same places: then nothing is changed;
    `WorktreeDirty`."""
    name = slug(f"rollback-{token}")
    path, temporary = state / "worktrees" / name, f"roadmap-try/{name}"
    async with integration.queue(repository, branch):
        log = ("log", "--first-parent", f"--format={_FORMAT}", f"refs/heads/{branch}")
        records = (await repository.git.text(*log)).split("\x1e")
        line = [record.strip("\n").split("\0") for record in records if record.strip()]
        wanted = set(map(integration.on_one_line, tasks))
        chosen: tuple[str, ...] = ()
        gone: set[str] = set()
        for oid, made_for, reverts, made_by, of in line:
            if made_for == token:
                return oid, tuple(filter(None, reverts.split("\x1f")))
            gone.update(reverts.split("\x1f"))
            # As they say, and not as the journal does: it may not have heard of the last yet.
            if made_by == run and oid not in gone and not wanted.isdisjoint(of.split("\x1f")):
                chosen += (oid,)
        if not chosen:
            return "", ()
        await integration.leave(repository, path, temporary)
        worktree = await creation.create(repository, path, temporary, line[0][0])
        try:
            for one in chosen:
                words = ("revert", "--no-commit", "--no-gpg-sign", one)
                output = await worktree.git.run(*words, accept=(0, 1))
                if output.code:
                    files = await worktree.conflicts()
                    await worktree.git.run("revert", "--abort", accept=(0, 1, 128))
                    raise MergeConflict(files or (one,), "revert")
            await worktree.git.run("revert", "--quit", accept=(0, 1, 128))
            reverted = (("Stoker-Reverts", one) for one in chosen)
            made = await commit(
                worktree,
                f"rollback({', '.join(tasks)}"[:99] + ")",
                trailers=(*reverted, ("Stoker-Rollback", token)),
                break_lock=True,
            )
            if made.oid is not None:
                await integration.advance(repository, branch, made.oid)
        finally:
            await integration.leave(repository, path, temporary)
        return made.oid or line[0][0], chosen
