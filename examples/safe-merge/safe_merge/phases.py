"""The phases of a merge, one for each step of the plan. Each is a process of its own, and
imports no more than it needs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from safe_merge.errors import MergeError, Refused
from safe_merge.job import Job

Outputs = dict[str, Any]


def main(words: Sequence[str]) -> int:
    """Run one phase; returns its exit code (see `safe_merge.errors`)."""
    try:
        if words and words[0] == "restore" and len(words) == 5:
            from safe_merge import snapshot

            repository, remote, target, run_id = words[1:]
            job = Job(Path(repository).absolute(), remote, "", target, run_id)
            _say("\n".join(snapshot.restore(job)))
            return 0
        if len(words) != 1 or words[0] not in PHASES:
            known = ", ".join(PHASES)
            raise Refused(f"expected one phase of {known}, or restore; found {' '.join(words)!r}")
        outputs = PHASES[words[0]](Job.from_env(os.environ))
        if outputs and (path := os.environ.get("STOKER_OUTPUT")):
            Path(path).write_text(json.dumps(outputs))
    except MergeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _first() -> bool:
    """Whether this is the step's first attempt (`run/step/number`)."""
    return os.environ.get("STOKER_ATTEMPT", "").rpartition("/")[2] in ("", "1")


def _lock(job: Job) -> Outputs:
    from safe_merge import lock

    job.check()
    _say(lock.acquire(job))
    return {}


def _scan(job: Job) -> Outputs:
    from safe_merge.scan import scan

    _say(scan(job))
    return {}


def _nested(job: Job) -> Outputs:
    from safe_merge import nested

    found = nested.in_work_tree(job.git)
    unknown = nested.in_tree(job.git, "")
    if found or unknown:
        lines = [f"  {path}: a repository that is no submodule" for path in found]
        lines += [f"  {path}: a submodule that .gitmodules does not know" for path in unknown]
        raise Refused("\n".join(["nested repositories a merge would pass over:", *lines]))
    _say("no nested repositories but submodules")
    return {}


def _classify(job: Job) -> Outputs:
    from safe_merge import policy

    rules = policy.load(job.policy)
    names = job.git.names("ls-files", "-z")
    counts = dict.fromkeys((kind.name for kind in rules.classes), 0)
    for name in names:
        counts[rules.classify(name).name] += 1
    for kind in rules.classes:
        _say(f"{counts[kind.name]:6} {kind.name}: {kind.command or kind.rule}")
    return {"classes": counts}


def _snapshot(job: Job) -> Outputs:
    from safe_merge import report, snapshot

    taken = snapshot.take(job)
    _say(f"{job.target} is {taken.remote} on {job.remote}, {taken.local or 'absent'} here")
    _say(f"restore with: {report.undo(job)}")
    return {"before": taken.remote, "bundle": str(taken.bundle)}


def _fetch(job: Job) -> Outputs:
    from safe_merge import lock

    lock.hold(job)
    git, mine = job.git, job.git.commit(job.source_ref)
    if job.source_ref in git.remote_refs(job.remote, job.source_ref):
        git.fetch(job.remote, f"+{job.source_ref}:{job.working('source')}")
        theirs = job.known(job.working("source"), "the source branch")
        if mine is not None and mine != theirs and git.contains(mine, theirs):
            git.set_ref(job.working("source"), mine)
        elif mine is not None and not git.contains(theirs, mine):
            raise Refused(f"{job.source!r} here and on {job.remote!r} have diverged")
    elif mine is not None:
        git.set_ref(job.working("source"), mine)
    source = job.known(job.working("source"), "the source branch")
    _say(f"{job.source} is {source}")
    return {"source": source}


def _merge(job: Job) -> Outputs:
    from safe_merge import trial

    state = trial.merge(job)
    _say(f"{state}: {job.source} into {job.target}, tried in {job.worktree}")
    return {"state": state, "worktree": str(job.worktree)}


def _resolve(job: Job) -> Outputs:
    from safe_merge import trial

    if not _first():
        trial.merge(job)  # a killed attempt left half of its work
    found = trial.resolve(job)
    _say("\n".join(map(str, found)))
    left = [one.path for one in found if not one.settled]
    return {"unresolved": len(left), "conflicts_file": str(trial.conflicts_file(job))}


def _commit(job: Job) -> Outputs:
    from safe_merge import trial

    merged = trial.commit(job)
    _say(job.git.text("show", "--no-patch", "--format=%H%n%B", merged))
    return {"merge": merged}


def _push(job: Job) -> Outputs:
    from safe_merge import publish

    _say(publish.push(job))
    return {"merge": job.git.commit(job.working("merge"))}


def _advance(job: Job) -> Outputs:
    from safe_merge import branch

    merge = job.git.commit(job.working("merge"))
    if merge is not None:
        _say(branch.advance(job, merge))
    return {}


def _verify(job: Job) -> Outputs:
    from safe_merge import publish

    _say(publish.verify(job))
    return {}


def _restore(job: Job) -> Outputs:
    from safe_merge import snapshot

    _say("\n".join(snapshot.restore(job)))
    return {}


def _event(job: Job) -> Outputs:
    from safe_merge import report

    statuses = json.loads(os.environ["MERGE_STATUSES"])
    event = report.record(job, statuses)
    _say(json.dumps(event, indent=1))
    return {"outcome": event["outcome"]}


def _cleanup(job: Job) -> Outputs:
    from safe_merge import lock, scratch, snapshot

    scratch.remove(job)
    _say(lock.release(job))
    job.git.delete_refs(job.working(""))
    if job.directory.exists():
        snapshot.prune(job)
    return {}


def _conclude(job: Job) -> Outputs:
    from safe_merge import report

    _say(report.conclude(job))
    return {}


PHASES: Final[dict[str, Callable[[Job], Outputs]]] = {
    "lock": _lock,
    "scan": _scan,
    "nested": _nested,
    "classify": _classify,
    "snapshot": _snapshot,
    "fetch": _fetch,
    "merge": _merge,
    "resolve": _resolve,
    "commit": _commit,
    "push": _push,
    "advance": _advance,
    "verify": _verify,
    "fallback": _restore,
    "event": _event,
    "cleanup": _cleanup,
    "conclude": _conclude,
}
