"""What became of a merge: an event for the log, and words for a person."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safe_merge.errors import Refused
from safe_merge.job import Job


def record(job: Job, statuses: Mapping[str, str]) -> dict[str, Any]:
    """Append one event to the log; `statuses` are those of the steps, in order."""
    git = job.git
    failed = next((step for step, status in statuses.items() if status == "failed"), None)
    merged = statuses.get("verify", "").startswith("succe")
    merge = git.commit(job.working("merge"))
    unresolved = job.read("unresolved", [])
    event = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "run": job.run_id,
        "repository": str(job.repository),
        "remote": job.remote,
        "source": job.source,
        "target": job.target,
        "outcome": ("merged" if merge else "up-to-date") if merged else "not merged",
        "failed_step": None if merged else failed,
        "restored": statuses.get("restore", "").startswith("succe"),
        "before": git.commit(job.backup("remote")),
        "merge": merge,
        "source_commit": git.commit(job.working("source")),
        "resolved": job.read("resolutions", []),
        "unresolved": unresolved,
        "snapshot": str(job.bundle) if job.bundle.exists() else None,
    }
    job.write("event", event)
    path = Path(job.event_log or job.common / "stoker" / "merges.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, json.dumps(event).encode() + b"\n")  # one write: lines stay whole
    finally:
        os.close(descriptor)
    return event


def conclude(job: Job) -> str:
    """The event in words. Raises `Refused` unless the branch is merged: a snapshot that was
    restored is no success."""
    event = job.read("event", {})
    lines = [f"{event['source']} -> {event['target']} of {event['remote']}: {event['outcome']}"]
    for one in event["resolved"]:
        lines.append(f"  resolved    {one['path']}  [{one['kind']}] by {one['rule']}")
    for one in event["unresolved"]:
        lines.append(f"  unresolved  {one['path']}  [{one['kind']}] {one['what']}: {one['note']}")
    if event["outcome"] == "not merged":
        state = "restored" if event["restored"] else "as it was"
        lines.append(f"  failed in step {event['failed_step']!r}; the repository is {state}")
        raise Refused("\n".join(lines))
    if event["merge"] and event["snapshot"]:
        lines.append(f"  undo with: {undo(job)}")
    return "\n".join(lines)


def undo(job: Job) -> str:
    """The one command that restores the snapshot."""
    from shlex import join

    script = Path(__file__).parents[1] / "merge.py"
    words = [sys.executable, str(script), "restore", str(job.repository), job.remote]
    return join([*words, job.target, job.run_id])
