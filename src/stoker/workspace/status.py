"""How a worktree stands: what is uncommitted, in conflict, ahead and behind."""

from __future__ import annotations

import msgspec

from stoker.together import both
from stoker.workspace.errors import UnknownBranch
from stoker.workspace.git import Git, decode
from stoker.workspace.model import BranchStatus, Comparison
from stoker.workspace.worktree import Worktree

_STATUS = (
    *("status", "--porcelain=v2", "-z", "--branch", "--no-ahead-behind"),
    *("--untracked-files=all", "--ignore-submodules=dirty"),
)


class Entries(msgspec.Struct, frozen=True):
    """What `git status` lists."""

    head: str | None
    branch: str | None
    tracked: tuple[str, ...]
    """Differ from HEAD, in the index or the working tree; those in conflict included."""
    conflicted: tuple[str, ...]
    untracked: tuple[str, ...]
    """A repository inside the tree is one entry, with a `/` at the end."""

    @property
    def dirty(self) -> bool:
        """There is something that is in no commit."""
        return bool(self.tracked or self.untracked)


async def entries(git: Git) -> Entries:
    """What is uncommitted in a checkout."""
    head = branch = None
    tracked: list[str] = []
    conflicted: list[str] = []
    untracked: list[str] = []
    records = iter(decode((await git.run(*_STATUS)).stdout).split("\0"))
    for record in records:
        kind, _, rest = record.partition(" ")
        if kind == "#":
            key, _, value = rest.partition(" ")
            if key == "branch.oid" and value != "(initial)":
                head = value
            elif key == "branch.head" and value != "(detached)":
                branch = value
        elif kind == "?":
            untracked.append(rest)
        elif kind == "1":
            tracked.append(rest.split(" ", 7)[7])
        elif kind == "2":
            tracked.append(rest.split(" ", 8)[8])
            next(records)  # where it was
        elif kind == "u":
            path = rest.split(" ", 9)[9]
            tracked.append(path)
            conflicted.append(path)
    return Entries(head, branch, tuple(tracked), tuple(conflicted), tuple(untracked))


async def submodules(git: Git) -> list[str]:
    """Paths at which the index has a commit of another repository."""
    listed = await git.records("ls-files", "-z", "--stage")
    return [record.partition("\t")[2] for record in listed if record.startswith("160000 ")]


async def status(worktree: Worktree, target: str) -> BranchStatus:
    """How the worktree and its branch stand to the branch `target` and to the remote `origin`.

    Raises `UnknownBranch` for the target.
    """
    repository = worktree.repository
    found, branch = await both(entries(worktree.git), worktree.branch())
    refs = (f"refs/heads/{target}", f"refs/remotes/{target}", f"refs/remotes/origin/{branch}")
    local, elsewhere, theirs = await repository.resolve(*refs)
    goal = local or elsewhere
    if goal is None:
        raise UnknownBranch(target)
    ahead = behind = 0
    beyond: tuple[int, int] | tuple[None, None] = (None, None)
    if found.head is not None:
        ahead, behind = await repository.ahead_behind(found.head, goal)
        if theirs is not None:
            beyond = await repository.ahead_behind(found.head, theirs)
    return BranchStatus(
        head_oid=found.head,
        branch=branch,
        target_branch_name=target,
        commits_ahead=ahead,
        commits_behind=behind,
        remote_commits_ahead=beyond[0],
        remote_commits_behind=beyond[1],
        uncommitted_count=len(found.tracked),
        untracked_count=len(found.untracked),
        operation=worktree.operation(),
        conflicted_files=found.conflicted,
    )


async def compare(worktree: Worktree, commit: str) -> Comparison:
    """How HEAD stands to `commit` (an object id). Raises `UnknownBranch`: there is no HEAD yet,
    `UnknownCommit`."""
    head = await worktree.head()
    if head is None:
        raise UnknownBranch("HEAD")
    target = await worktree.repository.commit(commit)
    ahead, behind = await worktree.repository.ahead_behind(head, target)
    return Comparison(head, target, ahead, behind, is_linear=behind == 0)
