"""A branch moved onto another commit, in its worktree; conflicts wait there to be resolved."""

from __future__ import annotations

import re

from stoker.workspace import backup, hardening
from stoker.workspace.errors import (
    GitFailed,
    MergeConflict,
    NoOperationInProgress,
    RebaseInProgress,
    UnsafeOperation,
    WorktreeDirty,
)
from stoker.workspace.model import Backup
from stoker.workspace.program import Output
from stoker.workspace.snapshot import stage
from stoker.workspace.status import entries
from stoker.workspace.worktree import Worktree

_HARMLESS = re.compile(
    r"(p|pick|r|reword|e|edit|s|squash|f|fixup|d|drop|l|label|t|reset|b|break|noop|u|update-ref"
    r"|m|merge)\b"
)


async def rebase(
    worktree: Worktree, onto: str, *, old_base: str | None = None, name: str | None = None
) -> Backup:
    """Put the branch's commits onto the branch `onto`; returns a backup of what they were.

    `old_base`: leave out what this branch has; default: what `onto` has. `name`: of the backup,
    default the branch's. Raises `UnknownBranch`, `RebaseInProgress`, `WorktreeDirty`, and
    `MergeConflict`: then the rebase waits to be continued or aborted.
    """
    repository = worktree.repository
    goal = await repository.base(onto)
    upstream = goal if old_base is None else await repository.base(old_base)
    if worktree.operation() == "rebase":
        raise RebaseInProgress(str(worktree.path))
    found = await entries(worktree.git)
    if found.tracked or worktree.operation() is not None:
        raise WorktreeDirty(str(worktree.path), found.tracked or (worktree.operation() or "",))
    kept = await backup.save(worktree, name or found.branch or "HEAD")
    args = ("rebase", "--quiet", "--merge", "--no-autostash", "--no-fork-point", "--no-gpg-sign")
    await _run(worktree, *args, "--empty=drop", "--onto", goal, upstream)
    return kept


async def resume(worktree: Worktree) -> None:
    """Go on with the rebase (or merge, ...) once its conflicts are resolved in the files.

    Raises `NoOperationInProgress`; `MergeConflict` for files that still have conflict markers, or
    for the next commit's; `UnsafeOperation` if going on would run commands.
    """
    operation = worktree.operation()
    if operation is None:
        raise NoOperationInProgress(str(worktree.path))
    _refuse_commands(worktree)
    unresolved = _marked(worktree, await worktree.conflicts())
    if unresolved:
        raise MergeConflict(unresolved, operation)
    async with worktree.lock() as fd:
        await stage(worktree.git, fd=fd)
    if operation == "merge":
        await _run(worktree, "commit", "--quiet", "--no-edit")
    else:
        await _run(worktree, operation.replace("_", "-"), "--continue")


async def abort(worktree: Worktree, *, name: str | None = None) -> Backup:
    """Go back to before the rebase (or merge, ...); returns a backup of what was resolved so far.

    Raises `NoOperationInProgress`.
    """
    operation = worktree.operation()
    if operation is None:
        raise NoOperationInProgress(str(worktree.path))
    kept = await backup.save(worktree, name or await worktree.branch() or "HEAD")
    async with worktree.lock() as fd:
        await worktree.git.run(operation.replace("_", "-"), "--abort", fds=(fd,))
    return kept


async def _run(worktree: Worktree, *args: str) -> None:
    """Run a step of an operation. Raises `MergeConflict` if it stopped at one."""
    author = worktree.repository.author
    env = {
        key: value
        for key, value in hardening.identity(author).items()
        if key.startswith("GIT_COMMITTER") or args[0] in ("commit", "revert")
    }
    async with worktree.lock() as fd:
        output: Output = await worktree.git.run(*args, env=env, accept=tuple(range(256)), fds=(fd,))
        if output.code == 0:
            return
        operation = worktree.operation()
        files = await worktree.conflicts()
    if files:
        raise MergeConflict(files, operation or args[0])
    raise GitFailed(
        ("git", *args), output.code, output.stderr or output.stdout.decode("utf-8", "replace")
    )


def _refuse_commands(worktree: Worktree) -> None:
    """What a rebase has left to do is a file that anybody at work in the worktree could write."""
    for folder in ("rebase-merge", "rebase-apply"):
        todo = worktree.git.git_dir / folder / "git-rebase-todo"
        try:
            lines = todo.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            continue
        for line in map(str.strip, lines):
            if line and not line.startswith("#") and not _HARMLESS.match(line):
                raise UnsafeOperation(f"the rebase in {worktree.path} would run {line!r}")
        strategy = worktree.git.git_dir / folder / "strategy"
        if strategy.exists() and strategy.read_text(errors="replace").strip() not in ("ort", ""):
            raise UnsafeOperation(f"the rebase in {worktree.path} names a merge strategy")


def _marked(worktree: Worktree, files: tuple[str, ...]) -> list[str]:
    """Those that still have a line that only conflicts have."""
    found = []
    for path in files:
        file = worktree.path / path
        if file.is_symlink() or not file.is_file():
            continue
        with file.open("rb") as lines:
            if any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in lines):
                found.append(path)
    return found
