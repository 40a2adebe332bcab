"""The environment scan: everything that would stop the merge, told at once and at first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from safe_merge.errors import Refused
from safe_merge.job import Job

_GIT = (2, 36)
_UNDERWAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisection",
}


def scan(job: Job) -> str:
    """Raises `Refused` with all that is wrong, `Unreachable`."""
    problems = [*_tools(job), *_tree(job), *_branches(job)]
    if problems:
        raise Refused("\n".join(problems))
    return "git is new enough, the tree is clean, the remote answers, the branches exist"


def _tools(job: Job) -> Iterator[str]:
    version = job.git.text("version")
    found = re.search(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < _GIT:
        yield f"git: expected {_GIT[0]}.{_GIT[1]} or newer, found {version!r}"
    if which("sh") is None:
        yield "sh is not on PATH"
    if not job.git.succeeds("var", "GIT_COMMITTER_IDENT"):
        yield "git does not know who commits: set user.name and user.email"
    if not job.test_command.strip():
        yield "test_command: expected the project's own test command, found nothing"


def _tree(job: Job) -> Iterator[str]:
    if job.git.text("rev-parse", "--is-inside-work-tree") != "true":
        yield f"{job.repository} has no work tree"
        return
    if job.allow_dirty:
        return
    directory = Path(job.git.text("rev-parse", "--absolute-git-dir"))
    for name, what in _UNDERWAY.items():
        if (directory / name).exists():
            yield f"{what} is under way in {job.repository}: finish or abort it first"
    dirty = job.git.text("status", "--porcelain", "--untracked-files=no").splitlines()
    if dirty:
        shown = ", ".join(line[3:] for line in dirty[:5]) + (", ..." if len(dirty) > 5 else "")
        yield (
            f"the work tree has {len(dirty)} uncommitted changes ({shown}): commit or stash "
            "them, or say allow_dirty=true (they are not touched, and a branch checked out "
            "over them is not moved)"
        )


def _branches(job: Job) -> Iterator[str]:
    refs = job.git.remote_refs(job.remote, job.target_ref, job.source_ref)
    if job.target_ref not in refs:
        yield f"remote {job.remote!r} has no branch {job.target!r}"
    if job.source_ref not in refs and job.git.commit(job.source_ref) is None:
        yield f"there is no branch {job.source!r}, neither here nor on {job.remote!r}"
