"""A branch squashed into another, made without any working tree: nobody's files are touched unless
the target is checked out somewhere and clean; then its files follow."""

from __future__ import annotations

from stoker.workspace import backup
from stoker.workspace.commit import commit_tree
from stoker.workspace.errors import (
    Diverged,
    GitFailed,
    UnknownBranch,
    WorktreeDirty,
)
from stoker.workspace.message import Trailers, compose
from stoker.workspace.model import Merged
from stoker.workspace.repository import Repository
from stoker.workspace.status import entries
from stoker.workspace.worktree import Worktree, checked_out

_RACES = 5


async def merge(
    repository: Repository,
    source: str,
    target: str,
    message: str,
    trailers: Trailers = (),
) -> Merged:
    """Put what branch `source` has beyond the local branch `target` on it as one commit, and move
    `source` on to that (its files are the same), with a backup of its commits, so that what
    follows builds upon it.

    Raises `UnknownBranch`; `Diverged` if the target has what `source` has not; `WorktreeDirty` if
    the target is checked out with uncommitted changes, or with untracked files where the merge
    puts its own. Then nothing is changed.
    """
    text = compose(message, trailers)
    await repository.branch_ref(source)
    for races in range(_RACES):
        async with repository.lock() as lock:
            try:
                return await _merge(repository, source, target, text, lock)
            except _Raced:
                if races == _RACES - 1:
                    raise
    raise AssertionError("unreachable")


class _Raced(GitFailed):
    """Somebody else moved the target meanwhile."""


async def _merge(
    repository: Repository, source: str, target: str, text: bytes, lock: int
) -> Merged:
    source_ref, theirs = await repository.branch_ref(source)
    (ours,) = await repository.resolve(f"refs/heads/{target}")
    if ours is None:
        raise UnknownBranch(target)
    ahead, behind = await repository.ahead_behind(theirs, ours)
    if ahead == 0:
        return Merged(ours, changed=False, backup=None)
    if behind:
        raise Diverged(source, target, ahead, behind)
    facts = await repository.git.text("rev-parse", f"{ours}^{{tree}}", f"{theirs}^{{tree}}")
    before, tree = facts.split()
    if tree == before:
        return Merged(ours, changed=False, backup=None)
    commit = await commit_tree(repository.git, tree, (ours,), text, repository.author)
    await move_target(repository, target, ours, commit, lock)
    kept = None
    if source_ref.startswith("refs/heads/"):
        kept = await _advance(repository, source, theirs, commit, lock)
    return Merged(commit, changed=True, backup=kept)


async def move_target(repository: Repository, target: str, old: str, new: str, lock: int) -> None:
    """Move the branch `target` from one commit to another that was made of it; where it is
    checked out, its files follow. For who holds the repository's lock. Raises `WorktreeDirty`,
    `GitFailed`."""
    there = await checked_out(repository, target)
    if there is None:
        args = ("update-ref", "-m", "merge", f"refs/heads/{target}", new, old)
        moved = await repository.git.run(*args, accept=(0, 1, 128), fds=(lock,))
        if moved.code != 0:
            if (await repository.resolve(f"refs/heads/{target}"))[0] != old:
                raise _Raced(("git", *args), moved.code, moved.stderr)
            raise GitFailed(("git", *args), moved.code, moved.stderr)
        return
    found = await entries(there.git)
    if found.tracked or there.operation() is not None:
        raise WorktreeDirty(str(there.path), found.tracked or (there.operation() or "",))
    if found.head != old:
        raise _Raced(("git", "merge"), 1, "the target has moved")
    args = ("merge", "--ff-only", "--quiet", "--no-stat", "--no-autostash", new)
    moved = await there.git.run(*args, accept=(0, 1, 128), fds=(lock,))
    if moved.code != 0:
        in_the_way = await _in_the_way(there, old, new, found.untracked)
        if in_the_way:
            raise WorktreeDirty(str(there.path), in_the_way)
        raise GitFailed(("git", *args), moved.code, moved.stderr)


async def _in_the_way(
    there: Worktree, old: str, new: str, untracked: tuple[str, ...]
) -> tuple[str, ...]:
    """Untracked files where the merge puts its own."""
    args = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=A", old, new)
    added = set(await there.git.records(*args))
    return tuple(path for path in untracked if path in added)


async def _advance(repository: Repository, source: str, old: str, new: str, lock: int) -> str:
    """Index and files of a worktree of the branch stay right: the trees are the same."""
    kept = await backup.keep(repository, source, old, head=old)
    args = ("update-ref", "-m", "merged", f"refs/heads/{source}", new, old)
    # Moved meanwhile: then it is for whoever moved it to say what follows.
    await repository.git.run(*args, accept=(0, 1, 128), fds=(lock,))
    return kept.ref
