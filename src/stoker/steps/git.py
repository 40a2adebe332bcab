"""Kind `git`: what pipelines do with repositories, so that nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from stoker.engine.kinds import Attempt, Result, StepFailed, Work
from stoker.plan.model import Step
from stoker.steps.kind import BaseKind, Definition, misplaced


class Git(Definition, frozen=True):
    """One action on a repository."""

    action: Literal["snapshot", "restore", "worktree", "merge", "fetch", "push"]
    repo: str = "."
    """The repository, relative to the step's directory."""
    hooks: bool = False
    """True: the repository's own hooks may run."""
    name: str | None = None
    """For snapshot and restore: the backup's name; it is kept as `refs/backup/<name>`, and
    what it was before in that ref's reflog."""
    working_tree: bool = False
    """For snapshot: with edits and untracked files that are in no commit (ignored ones and
    the insides of nested repositories are left out). Neither index nor stash is touched."""
    bundle: str | None = None
    """For snapshot: a file to write the backup to as well; for restore: to read it from."""
    discard: bool = False
    """For restore: give up edits that are in no commit, after a snapshot of them."""
    ref: str | None = None
    """For restore: any ref instead of a backup's name. For worktree: what to check out."""
    branch: str | None = None
    """For restore: the branch to set, default the one checked out. For worktree: a new one."""
    path: str | None = None
    """For worktree: where. For merge: a worktree to merge in, which is left there; default:
    one that is removed again."""
    remove: bool = False
    """For worktree: remove the one at `path`; none there is no failure."""
    force: bool = False
    """For worktree with `remove`: also with edits in it."""
    source: str | None = None
    """For merge: what to merge."""
    into: str | None = None
    """For merge: the commit to merge into; default: what is checked out."""
    in_place: bool = False
    """For merge: once it is known to succeed, bring the branch that is checked out there."""
    message: str | None = None
    """For merge: the commit's message."""
    keep_conflicts: bool = False
    """For merge with `path` or `in_place`: leave conflicts there to be resolved."""
    remote: str = "origin"
    """For fetch and push."""
    refspecs: tuple[str, ...] = ()
    """For fetch and push: what, as git spells it; default: as configured."""
    prune: bool = False
    """For fetch: forget what the remote no longer has."""
    force_with_lease: bool | str | tuple[str, ...] = False
    """For push: overwrite, but only what is known; `branch:commit` says what that is."""


_TAKES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "snapshot": (("name",), ("repo", "hooks", "working_tree", "bundle")),
    "restore": ((), ("repo", "hooks", "name", "ref", "bundle", "branch", "discard")),
    "worktree": (("path",), ("repo", "hooks", "ref", "branch", "remove", "force")),
    "merge": (
        ("source",),
        ("repo", "hooks", "into", "path", "in_place", "message", "keep_conflicts"),
    ),
    "fetch": ((), ("repo", "hooks", "remote", "refspecs", "prune")),
    "push": ((), ("repo", "hooks", "remote", "refspecs", "force_with_lease")),
}


class GitKind(BaseKind[Git]):
    """Runs plain git, prompts and hooks off."""

    name = "git"
    definition = Git

    def check(self, step: Step, definition: Git) -> list[str]:
        """The fields its action needs and no others, and no value git would take for an option."""
        problems = misplaced(definition, definition.action, _TAKES) + _options(definition)
        if definition.action == "restore":
            if definition.name is not None and definition.ref is not None:
                problems.append("expected one of 'name' and 'ref', found both")
            if (definition.name, definition.ref, definition.bundle) == (None, None, None):
                problems.append("action 'restore' needs 'name', 'ref' or 'bundle'")
        if definition.path is not None and definition.in_place:
            problems.append("path and in_place: a merge is made in one place")
        if definition.keep_conflicts and definition.path is None and not definition.in_place:
            problems.append("keep_conflicts: needs 'path' or 'in_place', a place to keep them")
        return problems

    def start(self, step: Step, definition: Git, attempt: Attempt) -> Work:
        """A coroutine that runs git as often as it takes."""
        if problems := _options(definition):  # a template may have become one
            raise StepFailed("; ".join(problems))
        directory = Path(attempt.cwd, definition.repo)
        if not directory.is_dir():
            raise StepFailed(f"repo: {directory} is not a directory")
        return _run(definition, attempt, str(directory))


def _options(definition: Git) -> list[str]:
    names = ("name", "ref", "branch", "path", "source", "into", "remote", "bundle", "repo")
    values = [(name, getattr(definition, name)) for name in names]
    values += [("refspecs", refspec) for refspec in definition.refspecs]
    return [
        f"{name}: {value!r} would be an option of git"
        for name, value in values
        if value is not None and value.startswith("-")
    ]


async def _run(definition: Git, attempt: Attempt, directory: str) -> Result:
    from stoker.steps import git_backup, git_merge, git_remote
    from stoker.steps.repository import Repository

    actions = {
        "snapshot": git_backup.snapshot,
        "restore": git_backup.restore,
        "worktree": git_merge.worktree,
        "merge": git_merge.merge,
        "fetch": git_remote.fetch,
        "push": git_remote.push,
    }
    repository = Repository(attempt, directory, hooks=definition.hooks)
    return await actions[definition.action](repository, definition)


KIND = GitKind()
