"""Worktrees, and merges that are tried in one before they count."""

from __future__ import annotations

from pathlib import Path

from stoker.engine.kinds import Result, StepFailed
from stoker.steps.git import Git
from stoker.steps.repository import Repository


async def worktree(repository: Repository, definition: Git) -> Result:
    """Add or remove a worktree."""
    path = repository.beside(str(definition.path))
    there = await _registered(repository, path)
    if definition.remove:
        if there:
            force = ("--force",) if definition.force else ()
            await repository.git("worktree", "remove", *force, str(path), lock=True)
        return Result(outputs={"path": str(path), "changed": there})
    commit = await repository.known(definition.ref or "HEAD")
    if there:  # from an attempt that a crash cut short
        found = await Repository(repository.attempt, str(path), hooks=False).commit("HEAD")
        if found != commit:
            raise StepFailed(f"a worktree is at {path} already, with {found}, not {commit}")
    else:
        await _add(repository, path, definition.ref or "HEAD", definition.branch)
    return Result(outputs={"path": str(path), "commit": commit, "changed": not there})


async def merge(repository: Repository, definition: Git) -> Result:
    """Merge in a worktree of its own; nothing changes in the repository but by its success."""
    source, into = str(definition.source), definition.into or "HEAD"
    theirs, ours = await repository.known(source), await repository.known(into)
    if definition.in_place:
        await _ready_in_place(repository, into, ours)
    code, _, _ = await repository.run("merge-base", "--is-ancestor", theirs, ours)
    if code == 0:
        return Result(outputs={"commit": ours, "conflicts": [], "changed": False})
    if definition.path is None:
        path = repository.scratch("worktree")
        if await _registered(repository, path):  # from an attempt that a crash cut short
            await _remove(repository, path)
    else:
        path = repository.beside(definition.path)
    message = definition.message or f"Merge {source} into {await _name(repository, into)}"
    command = ("merge", "--no-ff", "--no-edit", "-m", message, theirs)
    await _add(repository, path, ours, None)
    keep = False
    try:
        conflicts = await _try(repository, command, str(path))
        commit = await Repository(repository.attempt, str(path), hooks=False).known("HEAD")
        keep = definition.path is not None and (not conflicts or definition.keep_conflicts)
    finally:
        if not keep:
            await _remove(repository, path)
    if conflicts:
        if definition.keep_conflicts and definition.in_place:
            await _try(repository, command, repository.directory)
        listed = ", ".join(conflicts)
        return Result(
            error=f"merging {source} into {into}: conflicts in {listed}",
            outputs={"conflicts": conflicts},
        )
    if definition.in_place:
        await repository.git("merge", "--ff-only", "--quiet", commit)
    outputs = {"commit": commit, "conflicts": [], "changed": True}
    if keep:
        outputs["path"] = str(path)
    return Result(outputs=outputs)


async def _try(repository: Repository, command: tuple[str, ...], cwd: str) -> list[str]:
    """Merge; the files in conflict. Raises `StepFailed` if it failed for another reason."""
    code, output, said = await repository.run(*command, cwd=cwd)
    if code == 0:
        return []
    conflicts = await repository.paths("diff", "--name-only", "--diff-filter=U", "-z", cwd=cwd)
    if not conflicts:
        raise StepFailed(f"git merge failed: {said or output.decode(errors='replace').strip()}")
    return conflicts


async def _ready_in_place(repository: Repository, into: str, ours: str) -> None:
    if edited := await repository.edited():
        raise StepFailed(
            f"{repository.directory} has edits that are in no commit: {', '.join(edited[:10])}"
        )
    if into not in ("HEAD", await repository.branch()):
        raise StepFailed(f"in_place: {into!r} is not the branch that is checked out")


async def _name(repository: Repository, into: str) -> str:
    return (await repository.branch() or into) if into == "HEAD" else into


async def _registered(repository: Repository, path: Path) -> bool:
    await repository.git("worktree", "prune", lock=True)
    lines = (await repository.git("worktree", "list", "--porcelain")).splitlines()
    return f"worktree {path}" in lines


async def _add(repository: Repository, path: Path, ref: str, branch: str | None) -> None:
    how = ("--detach",) if branch is None else ("-b", branch)
    await repository.git("worktree", "add", "--quiet", *how, str(path), ref, lock=True)


async def _remove(repository: Repository, path: Path) -> None:
    await repository.git("worktree", "remove", "--force", str(path), lock=True)
