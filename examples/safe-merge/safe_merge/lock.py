"""One merge per branch at a time, over all clones: the lock is a ref on the remote.

The ref points to a commit whose message says who holds it. It is made, renewed, taken over
and given back by compare-and-swap only, and the final push renews it in the same atomic
update: a holder that lost it, unknowingly, cannot push.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from safe_merge.errors import Refused, TryAgain, Unreachable
from safe_merge.git import EMPTY
from safe_merge.job import Job
from safe_merge.scratch import discard

_ENGINE: Final = os.getppid()
"""The process that drives the run: it lives as long as somebody works on it."""

_TITLE: Final = "Stoker holds this branch for a merge"


class Holder(NamedTuple):
    """Who holds a lock. `place` and `started` tell a live holder from a reused pid."""

    run: str
    clone: str
    host: str
    place: str
    """Boot and pid namespace: only within the same one does a pid mean anything."""
    pid: int
    started: int
    """Clock ticks between the boot and the start of the process."""
    since: float
    expires: float
    """Seconds since the Unix epoch."""

    @classmethod
    def of(cls, job: Job, pid: int) -> Holder:
        """This job, driven by the engine `pid`, from now on."""
        now = time.time()
        return cls(
            run=job.run_id,
            clone=_clone(job),
            host=os.uname().nodename,
            place=_place(),
            pid=pid,
            started=_started(pid) or 0,
            since=now,
            expires=now + job.lock_ttl_sec,
        )

    def serves(self, job: Job) -> bool:
        """Whether this is the job's own lock."""
        return (self.run, self.clone, self.host) == (
            job.run_id,
            _clone(job),
            os.uname().nodename,
        )

    @classmethod
    def parse(cls, message: str) -> Holder | None:
        """None if this is not a lock of ours."""
        lines = (line.partition(": ") for line in message.splitlines())
        read = {name: value for name, colon, value in lines if colon}
        try:
            return cls(
                run=read["run"],
                clone=read["clone"],
                host=read["host"],
                place=read["place"],
                pid=int(read["pid"]),
                started=int(read["started"]),
                since=float(read["since"]),
                expires=float(read["expires"]),
            )
        except (KeyError, ValueError):
            return None

    def message(self) -> str:
        fields = "\n".join(f"{name}: {value}" for name, value in self._asdict().items())
        return f"{_TITLE}\n\n{fields}\n"

    def stale(self) -> str | None:
        """Why this holder no longer counts; None if it does."""
        if time.time() >= self.expires:
            return f"it expired at {_clock(self.expires)}"
        here = self.host == os.uname().nodename and self.place == _place()
        if here and _started(self.pid) != self.started:
            return f"its process {self.pid} on this host is gone"
        return None

    def __str__(self) -> str:
        return (
            f"run {self.run} on {self.host} (process {self.pid}, {self.clone}), "
            f"since {_clock(self.since)}, at most until {_clock(self.expires)}"
        )


def acquire(job: Job) -> str:
    """Take the lock, or a stale one over; returns what happened. Raises `TryAgain` (or
    `Refused` if the job does not wait) naming the holder, `Unreachable`."""
    for _ in range(5):
        oid, holder = _look(job)
        if oid == EMPTY:
            reason = "taken"
        elif holder is not None and holder.serves(job):
            reason = "taken again"
        elif holder is not None and (why := holder.stale()):
            reason = f"taken over from {holder}: {why}"
        else:
            busy = TryAgain if job.wait_for_lock else Refused
            raise busy(
                f"branch {job.target!r} of {job.remote!r} is being merged into by "
                f"{holder or f'somebody unknown ({job.lock_ref} is {oid[:12]})'}"
            )
        if _swap(job, oid, Holder.of(job, _ENGINE)):
            if holder is not None and not holder.serves(job) and holder.clone == _clone(job):
                discard(job, holder.run)
            return f"lock {job.lock_ref} {reason}"
    raise TryAgain(f"{job.lock_ref} keeps changing hands")


def hold(job: Job) -> None:
    """Make sure that the lock is still ours, and that it names the engine that runs now.
    Raises `Refused`, `Unreachable`."""
    oid, holder = held(job)
    if holder.pid != _ENGINE or holder.started != _started(holder.pid):
        current = Holder.of(job, _ENGINE)._replace(since=holder.since)
        if not _swap(job, oid, current):
            held(job)


def renewal(job: Job) -> tuple[str, str, str]:
    """The update that renews the lock, to go with another in one atomic push.
    Raises `Refused`, `Unreachable`."""
    oid, holder = held(job)
    renewed = holder._replace(expires=time.time() + job.lock_ttl_sec)
    return (_commit(job, renewed), job.lock_ref, oid)


def release(job: Job) -> str:
    """Give the lock back, if it is ours; returns what happened. Raises `Unreachable`."""
    oid, holder = _look(job)
    if holder is None or not holder.serves(job):
        return f"lock {job.lock_ref} is not ours to release"
    if job.git.push(job.remote, ("", job.lock_ref, oid)).returncode:
        raise Unreachable(f"the lock {job.lock_ref} could not be released")
    return f"lock {job.lock_ref} released"


def _look(job: Job) -> tuple[str, Holder | None]:
    """The remote's lock and who holds it. `EMPTY`: nobody. None: it cannot be told who."""
    for _ in range(5):
        oid = job.git.remote_refs(job.remote, job.lock_ref).get(job.lock_ref)
        if oid is None:
            return EMPTY, None
        seen = job.working("seen")
        with suppress(Unreachable):  # released in the meantime
            job.git.fetch(job.remote, f"+{job.lock_ref}:{seen}")
            if job.git.commit(seen) == oid:
                return oid, Holder.parse(job.git.text("log", "-1", "--format=%B", seen))
    raise TryAgain(f"{job.lock_ref} keeps changing hands")


def held(job: Job) -> tuple[str, Holder]:
    """The lock and its holder, which is this job. Raises `Refused`, `Unreachable`."""
    oid, holder = _look(job)
    if holder is None or not holder.serves(job):
        raise Refused(
            f"the lock on {job.target!r} is held by {holder or 'nobody'}: it was taken from this "
            "merge because its engine was dead, or it took longer than lock_ttl_sec"
        )
    return oid, holder


def _swap(job: Job, old: str, holder: Holder) -> bool:
    """Replace what the lock ref is on the remote; False if somebody was faster."""
    if os.getppid() != _ENGINE:
        raise Refused("the engine that began this is gone")
    new = _commit(job, holder)
    if job.git.push(job.remote, (new, job.lock_ref, old)).returncode == 0:
        return True
    now = job.git.remote_refs(job.remote, job.lock_ref).get(job.lock_ref, EMPTY)
    if now == old:
        raise Refused(f"the remote does not take the lock {job.lock_ref} (see above)")
    return now == new


def _commit(job: Job, holder: Holder) -> str:
    tree = job.git.text("hash-object", "-t", "tree", "-w", "--stdin", stdin="")
    return job.git.text("commit-tree", "--no-gpg-sign", tree, stdin=holder.message())


def _clone(job: Job) -> str:
    return str(job.common.resolve())


def _place() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
