"""The guarded push, and the proof that the remote has the merge."""

from __future__ import annotations

from safe_merge import lock, snapshot, trial
from safe_merge.errors import Refused, TryAgain
from safe_merge.job import Job


def push(job: Job) -> str:
    """Push the merge if the remote's branch still is what the snapshot has, and the lock
    still ours; returns what happened. If the branch moved, the merge is made again on top of
    it first. Raises `TryAgain` when it moved just now, `Refused`, `Unreachable`."""
    base = job.known(job.backup("remote"), "the snapshot")
    again = ""
    if (now := _target(job)) != base:
        if _holds(job, now):
            return f"{job.target!r} of {job.remote!r} has the merge"
        snapshot.take(job)
        if trial.redo(job) == "up-to-date":
            job.git.text("update-ref", "-d", job.working("merge"))
            return f"somebody else has merged {job.source!r} already"
        base, again = job.known(job.backup("remote"), "the snapshot"), ", merged again"
    merge = job.known(job.working("merge"), "the merge")
    update, renewal = (merge, job.target_ref, base), lock.renewal(job)
    done = job.git.push(job.remote, update, renewal, hooks=True)  # the owner's pre-push hook counts
    if done.returncode == 0 or _holds(job, _target(job)):
        return f"{job.target!r} of {job.remote!r}: {base[:12]} -> {merge[:12]}{again}"
    lock.held(job)
    if _target(job) != base:
        raise TryAgain(f"{job.target!r} of {job.remote!r} moved meanwhile; merging again")
    if b"[remote rejected]" in done.stdout or b"--atomic" in done.stderr:
        raise Refused(f"the remote refused the push of {merge[:12]} (see above)")
    raise TryAgain(f"the push of {merge[:12]} did not arrive (see above)")


def verify(job: Job) -> str:
    """Prove that the remote's branch holds the merge, and that it is what was tested.
    Raises `Refused` with what is not so, `Unreachable`."""
    git, where = job.git, f"{job.target!r} of {job.remote!r}"
    base = job.known(job.backup("remote"), "the snapshot")
    git.fetch(job.remote, f"+{job.target_ref}:{job.working('seen')}")
    now = job.known(job.working("seen"), "the remote's branch")
    source = git.commit(job.working("source"))
    if source is None or not git.contains(now, source):
        raise Refused(f"{where} does not hold {job.source!r}: not merged")
    merge = git.commit(job.working("merge"))
    if merge is None:
        return f"{where} held {job.source!r} already"
    if not git.contains(now, merge):
        raise Refused(f"{where} does not hold the merge {merge[:12]}: not merged")
    parents = git.text("log", "-1", "--format=%P", merge).split()
    if parents != [base, source]:
        raise Refused(f"the merge {merge[:12]} has the parents {parents}, not the two branches")
    git.text("rev-list", "--objects", "--quiet", merge, "--not", base, source)
    return f"{where} holds the merge {merge[:12]} of {source[:12]} into {base[:12]}"


def _target(job: Job) -> str:
    now = job.git.remote_refs(job.remote, job.target_ref).get(job.target_ref)
    if now is None:
        raise Refused(f"remote {job.remote!r} has no branch {job.target!r} any more")
    return now


def _holds(job: Job, now: str) -> bool:
    """Whether the remote's branch holds our merge: an earlier attempt got through."""
    merge = job.git.commit(job.working("merge"))
    if merge is None:
        return False
    if now != merge:
        job.git.fetch(job.remote, f"+{job.target_ref}:{job.working('seen')}")
        return job.git.contains(job.working("seen"), merge)
    return True
