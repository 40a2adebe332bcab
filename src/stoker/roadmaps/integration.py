"""The branch on which a roadmap's work is gathered, and the worktrees of its tries.

Nothing here touches the user's checkout: worktrees are elsewhere, merges are made without one.
What a try changed is what git says of it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from stoker.roadmaps.identity import slug
from stoker.roadmaps.unit import Job
from stoker.together import both
from stoker.workspace import creation, locks, merge, refs, removal, snapshot
from stoker.workspace.commit import commit_tree
from stoker.workspace.errors import (
    BranchExists,
    MergeConflict,
    NotAWorktree,
    UnknownBranch,
    WorktreeDirty,
)
from stoker.workspace.git import Git, decode, encode
from stoker.workspace.message import Trailers, compose
from stoker.workspace.repository import Repository
from stoker.workspace.spares import Spares
from stoker.workspace.status import entries
from stoker.workspace.worktree import Worktree, checked_out

_DIFF_LIMIT = 24_000
_BLANK = re.compile(r"[\x00-\x1f\x7f]")
OURS = (".executor", ".stoker")
"""What says how work is verified and what is done: no agent's to write."""


def on_one_line(text: str) -> str:
    """As a trailer of a commit has it."""
    return " ".join(_BLANK.sub(" ", text).split())


def place(state: Path, unit: str, run: str) -> tuple[Path, str]:
    """Worktree and branch of the try of a unit whose nested run is `run`."""
    name = f"roadmap-{slug(unit)}-{sha256(run.encode()).hexdigest()[:12]}"
    path = state / "worktrees" / name
    return path, _branch(path)


def _branch(path: Path) -> str:
    """Of the try whose worktree this is."""
    return f"roadmap-try/{path.name.removeprefix('roadmap-')}"


async def prepare(repository: Repository, branch: str, base: str) -> str:
    """Make the branch at the commit `base` unless there is one; returns its commit."""
    await repository.check_branch_name(branch)
    (there,) = await repository.resolve(f"refs/heads/{branch}")
    if there is not None:
        return there
    none = "0" * len(base)
    await repository.git.run("update-ref", "-m", "roadmap", f"refs/heads/{branch}", base, none)
    return base


async def tip(repository: Repository, branch: str) -> str:
    """The branch's commit. Raises `UnknownBranch`."""
    if known := refs.branch(repository.common_dir, branch):
        return known
    (found,) = await repository.resolve(f"refs/heads/{branch}")
    if found is None:
        raise UnknownBranch(branch)
    return found


@asynccontextmanager
async def queue(repository: Repository, branch: str) -> AsyncIterator[None]:
    """Held by whoever moves the branch: merges are one at a time, with what they verify."""
    async with locks.exclusive(lock_file(repository, branch)):
        yield


def lock_file(repository: Repository, branch: str) -> Path:
    """The file that is locked around changes of the branch; others of it are beside that."""
    name = sha256(branch.encode()).hexdigest()[:16]
    return repository.common_dir / "stoker-roadmaps" / f"{name}.lock"


# A try's worktree.


async def room(
    repository: Repository, path: Path, branch: str, base: str, spares: Spares
) -> Worktree:
    """A new worktree for a try, cut from the branch or commit `base`, on a branch of its own."""
    cut = partial(creation.create, repository, path, branch, base, spares=spares)
    try:
        made = await cut()
    except BranchExists:  # of a run of the same name, in another journal, that was killed
        await leave(repository, path, branch)
        made = await cut()
    await spares.lend(made, await made.head() or base)
    return made


async def leave(
    repository: Repository,
    path: Path,
    branch: str,
    *,
    keep: bool = False,
    spares: Spares | None = None,
) -> None:
    """Remove a try's worktree, and its branch unless that is to be kept. `spares`: nothing is
    left to do with its files, and they may have them."""
    try:
        worktree = Worktree.open(repository, path)
    except NotAWorktree:
        worktree = None
    if worktree and not (spares and await spares.give(worktree)):
        await removal.remove(worktree, branch, discard_nested=True, wait=False)
    if not keep:
        # `git branch -D` would write the config anew, which others have read.
        await repository.git.run("update-ref", "-d", f"refs/heads/{branch}", accept=(0, 1))


async def carry(worktree: Worktree, earlier: str) -> tuple[str, tuple[str, ...]]:
    """Put the work of the commit `earlier` into the files of a new worktree, uncommitted;
    returns the tree they are now, and the files in which it conflicts with what is there, which
    have the usual marks."""
    git = worktree.git
    tree, conflicts = await _merge(git, "HEAD", earlier)
    await git.run("read-tree", "--reset", "-u", tree)
    await git.run("read-tree", "HEAD")
    return tree, conflicts or ()


async def _merge(git: Git, ours: str, theirs: str) -> tuple[str, tuple[str, ...] | None]:
    """The tree of a merge, on no branch, and the files that conflict, which have marks in it;
    None: there is no conflict."""
    args = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
    output = await git.run(*args, accept=(0, 1))
    tree, *found = decode(output.stdout).rstrip("\0").split("\0")
    return tree.strip(), tuple(found) if output.code == 1 else None


class Work(NamedTuple):
    """What a try has left."""

    commit: str
    """On top of the one it began from, on no branch; that itself if nothing was changed."""
    digest: str
    """Of what was changed."""


async def collect(
    worktree: Worktree, base: str, plan_files: Sequence[str], title: str, spares: Spares
) -> Work:
    """Commit all that a try left in its worktree, but what it did to plan files and in directories
    of this program, on top of the commit `base`, whatever it did with git. `spares`: are told that
    it is to be wanted next."""
    repository, git = worktree.repository, worktree.repository.git
    tree = await snapshot.take(worktree)
    spares.expect(repository, tree)
    commit = partial(commit_tree, git, parents=(base,), author=repository.author)
    text = compose(f"Try: {title}")
    theirs: list[tuple[str, str]] = []
    ours: list[str] = []
    listed = git.records("diff-tree", "-r", "-z", "--no-renames", base, tree)
    made, found = await both(commit(tree=tree, text=text), listed)
    records = iter(found)
    for facts in records:
        path = next(records)
        if any(f"{path}/".startswith(f"{one}/") for one in (*plan_files, *OURS)):
            mode, _, oid, *_ = facts[1:].split()
            ours.append(f"{mode} {oid}\t{path}")
        else:
            theirs.append((facts, path))
    digest = sha256(encode(repr(theirs))).hexdigest()[:16]
    if not theirs:
        return Work(base, digest)
    if ours:
        tree = await snapshot.edited(git, tree, ours)
        made = await commit(tree=tree, text=text)
    spares.expect(repository, made, same_as=tree)
    return Work(made, digest)


async def keep(worktree: Worktree, commit: str) -> None:
    """Have the branch of a try be at what it has left."""
    # Whatever is checked out there now: that may be a branch of the user's.
    branch = f"refs/heads/{_branch(worktree.path)}"
    await worktree.repository.git.run("update-ref", "-m", "try", branch, commit)


async def patch(repository: Repository, base: str, commit_: str) -> str:
    """What a commit changed, as text, at most 24,000 characters of it."""
    args = ("diff-tree", "-r", "--patch", "--no-ext-diff", "--no-textconv", "--find-renames")
    output = await repository.git.run(*args, base, commit_)
    text = output.stdout.decode(errors="replace")
    if len(text) > _DIFF_LIMIT:
        text = text[:_DIFF_LIMIT] + f"\n... {len(text) - _DIFF_LIMIT} characters more\n"
    return text


async def files(repository: Repository, base: str, commit_: str) -> tuple[str, ...]:
    """The paths in which two commits differ."""
    args = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, commit_)
    return tuple(await repository.git.records(*args))


# Merging.


async def merged(repository: Repository, job: Job, token: str) -> str | None:
    """The commit of a try that was merged already, though its process did not live to say so."""
    args = ("log", "-z", "--format=%H %(trailers:key=Stoker-Try,valueonly,separator=%x20)")
    for line in await repository.git.records(*args, f"{job.base}..refs/heads/{job.branch}"):
        oid, _, tokens = line.partition(" ")
        if token in tokens.split():
            return oid
    return None


async def candidate(
    repository: Repository, onto: str, base: str, work: str, message: str, trailers: Trailers
) -> tuple[str, tuple[str, ...]]:
    """A commit of the work of the commit `work`, made of `base`, on top of the commit `onto`, on
    no branch; or the files that conflict."""
    tree = f"{work}^{{tree}}"
    if onto != base:
        tree, conflicts = await _merge(repository.git, onto, work)
        if conflicts is not None:
            return "", conflicts
    text = compose(message, trailers)
    made = await commit_tree(repository.git, tree, (onto,), text, repository.author)
    return made, ()


async def advance(repository: Repository, branch: str, made: str) -> None:
    """Move the branch on to a commit made of its tip; where it is checked out, its files follow,
    and what is uncommitted stays. For who holds its queue. Raises `WorktreeDirty` if that is where
    the commit changes something, `GitFailed`."""
    async with repository.lock() as lock:
        old = await tip(repository, branch)
        there = await checked_out(repository, branch)
        if there is None or there.operation() is not None:
            await merge.move_target(repository, branch, old, made, lock)
            return
        # Its plan file, for one, has been ticked.
        await _not_in_the_way(repository, there, old, made)
        await there.git.run(*_FORWARD, made, fds=(lock,))


_FORWARD = ("merge", "--ff-only", "--quiet", "--no-stat", "--no-autostash")


async def _not_in_the_way(repository: Repository, there: Worktree, old: str, new: str) -> None:
    """Raises `WorktreeDirty` if uncommitted changes are in files that two commits differ in."""
    seen = await entries(there.git)
    changed = set(await files(repository, old, new))
    if mine := sorted(changed & {*seen.tracked, *seen.untracked}):
        raise WorktreeDirty(str(there.path), mine)


async def tag(repository: Repository, job: Job, made: str) -> None:
    """Tag a checkpoint if it is the run's `tag_every`th, or a multiple."""
    ahead, _ = await repository.ahead_behind(made, job.base)
    if ahead % (job.tag_every or 1) == 0:
        name = f"{job.branch}/{made[:10]}"
        await repository.git.run("update-ref", f"refs/tags/{name}", made)


async def land(repository: Repository, job: Job, title: str) -> str:
    """Merge the roadmap's branch into what is checked out in the repository; returns the commit.
    Uncommitted changes stay as they are. Raises `WorktreeDirty` if they are where the merge puts
    its own, `MergeConflict`; then nothing is changed."""
    main = Worktree.main(repository)
    async with queue(repository, job.branch), repository.lock():
        head, work = await main.head() or "", await tip(repository, job.branch)
        ahead, behind = await repository.ahead_behind(work, head)
        if not ahead:
            return head
        made = work
        if behind:
            tree, conflicts = await _merge(repository.git, head, work)
            if conflicts is not None:
                raise MergeConflict(conflicts, "merge")
            text = compose(f"Merge {job.branch}: {title}")
            made = await commit_tree(repository.git, tree, (head, work), text, repository.author)
        await _not_in_the_way(repository, main, head, made)
        await main.git.run(*_FORWARD, made)
        return made
