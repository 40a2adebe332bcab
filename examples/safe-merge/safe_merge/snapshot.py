"""What was there before: backup refs and a bundle, and the way back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from safe_merge import branch
from safe_merge.errors import Refused, Unreachable
from safe_merge.job import Job

TRAILER = "Stoker-Run"
"""In the merge's message: by it a merge is known to be the one of this run."""


class Snapshot(NamedTuple):
    """The target branch on the remote and, where there is one, in the clone."""

    remote: str
    local: str | None
    bundle: Path


def take(job: Job) -> Snapshot:
    """Keep both in backup refs and in one bundle. Taken anew when the remote has moved.
    Raises `Unreachable`, `Refused`."""
    git = job.git
    if job.target_ref not in git.remote_refs(job.remote, job.target_ref):
        raise Refused(f"remote {job.remote!r} has no branch {job.target!r}")
    git.fetch(job.remote, f"+{job.target_ref}:{job.backup('remote')}")
    local = git.commit(job.target_ref)
    if local is not None:
        git.set_ref(job.backup("local"), local)
    refs = [job.backup("remote"), *([job.backup("local")] if local else [])]
    job.directory.mkdir(parents=True, exist_ok=True)
    temporary = job.bundle.with_suffix(".tmp")
    git.text("bundle", "create", "--quiet", str(temporary), *refs)
    temporary.replace(job.bundle)
    return Snapshot(job.known(job.backup("remote"), "the snapshot"), local, job.bundle)


def restore(job: Job) -> list[str]:
    """Put the target branch back to where the snapshot has it, on the remote and here.

    Undoes this run's merge and nothing else: a branch that is not exactly there is left
    alone. Returns what was done. Raises `Refused` if the merge can no longer be undone,
    `Unreachable`.
    """
    git = job.git
    if git.commit(job.backup("remote")) is None and job.bundle.exists():
        prefix = job.backup("")
        git.text("fetch", "--quiet", "--refmap=", str(job.bundle), f"+{prefix}*:{prefix}*")
    base = job.known(job.backup("remote"), "the snapshot")
    git.fetch(job.remote, f"+{job.target_ref}:{job.working('seen')}")
    now = job.known(job.working("seen"), "the remote's branch")
    return [_restore_remote(job, base, now), _restore_local(job, base)]


def _restore_remote(job: Job, base: str, now: str) -> str:
    where = f"{job.target!r} of {job.remote!r}"
    if not _ours(job, now, base):
        ours = job.git.text(
            "log", "--format=%H", "-1", f"--grep=^{TRAILER}: {job.run_id}$", f"{base}..{now}"
        )
        if ours:
            raise Refused(
                f"{where} has commits on top of the merge {ours[:12]}: "
                f"revert it instead (git revert -m 1 {ours[:12]})"
            )
        return f"{where} was not changed by this run"
    if job.git.push(job.remote, (base, job.target_ref, now)).returncode:
        raise Unreachable(f"{where} could not be put back to {base[:12]}")
    return f"{where} is back at {base[:12]}"


def _restore_local(job: Job, base: str) -> str:
    local, before = job.git.commit(job.target_ref), job.git.commit(job.backup("local"))
    if local is None or before is None or (local != before and not _ours(job, local, base)):
        return f"the local {job.target!r} was not changed by this run"
    return branch.move(job, local, before)  # also from halfway, if a crash left it there


def _ours(job: Job, commit: str, base: str) -> bool:
    """Whether a commit is this run's merge, made on the snapshot."""
    message = job.git.text("log", "-1", "--format=%B", commit)
    on_base = job.git.commit(f"{commit}^1") == base
    return on_base and f"{TRAILER}: {job.run_id}" in message.splitlines()


def prune(job: Job) -> None:
    """Forget all but the newest snapshots of this clone (`keep_snapshots`, at least ours)."""
    kept = sorted(job.directory.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in kept[: -max(1, job.keep_snapshots)]:
        if old.name != job.run_id:
            job.git.delete_refs(f"refs/stoker/backup/{old.name}/")
            shutil.rmtree(old)
