"""The scratch worktree: where a merge is tried, resolved and tested."""

from __future__ import annotations

import shutil
from pathlib import Path

from safe_merge.git import Git
from safe_merge.job import Job


def create(job: Job, commit: str) -> Git:
    """A fresh worktree at `commit`, on no branch; returns git in it."""
    remove(job)
    job.worktree.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    job.git.text("worktree", "add", "--quiet", "--detach", str(job.worktree), commit)
    return Git(job.worktree)


def reopen(job: Job) -> Git:
    """Git in the worktree an earlier phase made. A killed attempt may have left its index
    locked; nobody else works there."""
    git = Git(job.worktree)
    Path(git.text("rev-parse", "--absolute-git-dir"), "index.lock").unlink(missing_ok=True)
    return git


def remove(job: Job) -> None:
    """Remove the worktree, if there is one."""
    if job.worktree.exists():
        # Twice --force: also one that is locked, or whose making was cut short.
        job.git.run("worktree", "remove", "--force", "--force", str(job.worktree))
        shutil.rmtree(job.worktree, ignore_errors=True)
    job.git.text("worktree", "prune")


def discard(job: Job, run_id: str) -> None:
    """Remove what a dead run in this clone left behind; its snapshot stays."""
    dead = job._replace(run_id=run_id)
    remove(dead)
    job.git.delete_refs(dead.working(""))
