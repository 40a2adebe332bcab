"""The trial merge in the scratch worktree, from the first try to a tested commit.

The plan runs these as steps; when the remote has moved, the push runs them all again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from safe_merge import nested, policy, resolution, scratch
from safe_merge.conflict import conflicts
from safe_merge.errors import GitFailed, Refused
from safe_merge.git import Git
from safe_merge.job import Job
from safe_merge.resolution import Resolution
from safe_merge.snapshot import TRAILER

State = Literal["up-to-date", "clean", "conflicts"]


def merge(job: Job) -> State:
    """Try the merge on a fresh scratch worktree. Raises `Refused`, `GitFailed`."""
    base = job.known(job.backup("remote"), "the snapshot")
    source = job.known(job.working("source"), "the source branch")
    git = scratch.create(job, base)
    for record in ("resolutions", "unresolved"):
        job.write(record, [])
    if git.contains(base, source):
        return "up-to-date"
    arguments = ("merge", "--no-ff", "--no-commit", "--no-stat", source)
    done = git.run("-c", "rerere.enabled=false", "-c", "merge.conflictStyle=diff3", *arguments)
    if done.returncode == 0:
        return "clean"
    if not conflicts(git):
        raise GitFailed(arguments, done.returncode, (done.stdout + done.stderr).decode())
    return "conflicts"


def resolve(job: Job) -> list[Resolution]:
    """Settle conflicts by the policy; what is left is listed for an agent. Returns all."""
    git = scratch.reopen(job)
    found = resolution.by_policy(git, policy.load(job.policy))
    left = [one for one in found if not one.settled]
    job.write("resolutions", [one.json() for one in found if one.settled])
    job.write("unresolved", [one.json() for one in left])
    asked = [one.path for one in left if one.rule != "regenerate"]
    conflicts_file(job).write_text("".join(f"{path}\n" for path in asked))
    job.write("others", _others(git, [one.path for one in left]))
    return found


def conflicts_file(job: Job) -> Path:
    """What an agent is given: the unresolved paths, a line each."""
    return job.directory / "conflicts.txt"


def agent(job: Job) -> int:
    """Let the agent at what is left; returns its exit code."""
    env = {"MERGE_CONFLICTS_FILE": str(conflicts_file(job))}
    return _shell(job, job.agent_command, env)


def commit(job: Job) -> str:
    """Commit the merge, or refuse it with the list of what nothing resolved. Raises
    `Refused`."""
    git = scratch.reopen(job)
    asked: list[str] = [one["path"] for one in job.read("unresolved", [])]
    settled = [Resolution(**one) for one in job.read("resolutions", [])]
    if asked:
        rules = policy.load(job.policy)
        if job.agent_command:
            if job.read("others", "") != _others(git, asked):
                raise Refused("the agent staged files it was not asked to resolve")
            settled += resolution.by_agent(git, rules)
        found = resolution.by_policy(git, rules)
        settled += [one for one in found if one.settled]
        left = [one for one in found if not one.settled]
        known = {one.path for one in (*settled, *left)}
        settled += [
            Resolution(**{**one, "rule": _settler(one["rule"]), "settled": True, "note": ""})
            for one in job.read("unresolved", [])
            if one["path"] not in known
        ]
        resolution.refuse_unless_settled(left)
    _check(git, [one.path for one in settled if one.rule == "agent"])
    return _committed(job, git, settled)


def gate(job: Job) -> None:
    """Run the project's own tests on the merged tree. Raises `Refused`."""
    code = _shell(job, job.test_command, {})
    if code:
        raise Refused(f"the test gate failed on the merge (exit code {code})")


def redo(job: Job) -> State:
    """All of it again, on a snapshot that was taken anew. Raises `Refused`."""
    state = merge(job)
    if state == "up-to-date":
        return state
    left = [] if state == "clean" else [one for one in resolve(job) if not one.settled]
    if left and job.agent_command and (code := agent(job)):
        raise Refused(f"the agent failed on the merge with the moved branch (exit code {code})")
    commit(job)
    gate(job)
    return state


def _check(git: Git, paths: Iterable[str]) -> None:
    marked = resolution.marked(git, paths)
    if marked:
        raise Refused(f"conflict markers are left in {', '.join(marked)}")
    unknown = nested.in_tree(git, "")
    if unknown:
        raise Refused(
            f"the merge brings repositories that .gitmodules does not know: {', '.join(unknown)}"
        )


def _committed(job: Job, git: Git, settled: list[Resolution]) -> str:
    base = job.known(job.backup("remote"), "the snapshot")
    source = job.known(job.working("source"), "the source branch")
    lines = [f"Merge branch '{job.source}' into {job.target}", ""]
    if settled:
        lines += ["Conflicts:", *(f"  {one}" for one in settled), ""]
    message = "\n".join([*lines, f"{TRAILER}: {job.run_id}\n"])
    tree = git.text("write-tree")
    merged = git.text("commit-tree", tree, "-p", base, "-p", source, stdin=message)
    job.git.set_ref(job.working("merge"), merged)
    # The gate sees what will be pushed: committed, and nothing beside it but ignored files.
    git.text("reset", "--quiet", "--hard", merged)
    git.text("clean", "--quiet", "-fd")
    job.write("resolutions", [one.json() for one in settled])
    job.write("unresolved", [])
    return merged


def _settler(rule: str) -> str:
    """Who settled a path that was left over once: its generator, or else the agent."""
    return rule if rule == "regenerate" else "agent"


def _others(git: Git, asked: Iterable[str]) -> str:
    """A digest of the index without the paths an agent was asked to settle."""
    import hashlib

    excluded = set(asked)
    lines = git.names("ls-files", "--stage", "-z")
    kept = (line for line in lines if line.partition("\t")[2] not in excluded)
    return hashlib.sha256(os.fsencode("\0".join(kept))).hexdigest()


def _shell(job: Job, command: str, env: dict[str, str]) -> int:
    done = subprocess.run(
        ("sh", "-c", command),
        cwd=job.worktree,
        env={**os.environ, **env, "MERGE_WORKTREE": str(job.worktree)},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    return done.returncode
