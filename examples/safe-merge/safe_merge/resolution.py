"""Settling conflicts: by the policy's rules, and by what an agent did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from safe_merge.conflict import BASE, OURS, THEIRS, Conflict, conflicts
from safe_merge.errors import GitFailed, Refused
from safe_merge.git import Git
from safe_merge.policy import FileClass, Policy

_SIDES = {"ours": OURS, "theirs": THEIRS}
_MARKER = re.compile(rb"^(<{7}|\|{7}|>{7})( |\r?$)", re.MULTILINE)


class Resolution(NamedTuple):
    """One path that was settled, or was not."""

    path: str
    kind: str
    what: str
    rule: str
    settled: bool
    note: str = ""

    def __str__(self) -> str:
        how = f"{self.rule}" + (f" ({self.note})" if self.note else "")
        return f"{self.path}  [{self.kind}] {self.what}: {how}"

    def json(self) -> dict[str, object]:
        return self._asdict()


def by_policy(git: Git, policy: Policy) -> list[Resolution]:
    """Settle what the rules can: first by side and by union; then, once nothing else is
    left, by regenerating, as generators read the other files."""
    done: list[Resolution] = []
    left: list[Resolution] = []
    later: list[tuple[Conflict, FileClass]] = []
    for conflict in conflicts(git):
        kind = policy.classify(conflict.path, binary=conflict.binary(git))
        if kind.rule == "regenerate":
            later.append((conflict, kind))
            continue
        note = _settle(git, conflict, kind)
        (left if note else done).append(_resolution(conflict, kind, note))
    if left:
        waits = "waits for the other conflicts"
        return [*done, *left, *(_resolution(conflict, kind, waits) for conflict, kind in later)]
    return [*done, *_regenerated(git, policy, later)]


def by_agent(git: Git, policy: Policy) -> list[Resolution]:
    """Take what an agent settled: a path it staged or removed from the index is settled
    already; of the others a text without conflict markers is."""
    done = []
    for conflict in conflicts(git):
        kind = policy.classify(conflict.path, binary=conflict.binary(git))
        file = git.directory / conflict.path
        if kind.rule == "regenerate" or not conflict.mergeable(git) or not file.is_file():
            continue
        if not _MARKER.search(file.read_bytes()):
            git.text("add", "--force", "--", conflict.path)
            done.append(Resolution(conflict.path, kind.name, conflict.what, "agent", True))
    return done


def marked(git: Git, paths: Iterable[str]) -> list[str]:
    """Those of the staged paths that still hold conflict markers."""
    found = []
    for path in paths:
        content = git.run("cat-file", "blob", f":{path}")
        if content.returncode == 0 and _MARKER.search(content.stdout):
            found.append(path)
    return found


def refuse_unless_settled(left: Iterable[Resolution]) -> None:
    """Raises `Refused` with the list if anything is left."""
    lines = [f"  {resolution}" for resolution in left if not resolution.settled]
    if lines:
        raise Refused(f"conflicts that nothing resolved ({len(lines)}):\n" + "\n".join(lines))


def _resolution(conflict: Conflict, kind: FileClass, note: str | None) -> Resolution:
    return Resolution(conflict.path, kind.name, conflict.what, kind.rule, not note, note or "")


def _settle(git: Git, conflict: Conflict, kind: FileClass) -> str | None:
    """Apply a rule; returns why it could not be."""
    if kind.rule == "refuse":
        return "left to an agent or a person"
    try:
        if kind.rule == "union":
            if not conflict.mergeable(git):
                return "there are no two texts to unite"
            _unite(git, conflict)
        else:
            _take(git, conflict, _SIDES[kind.rule])
    except (GitFailed, OSError) as error:
        return str(error)
    return None


def _take(git: Git, conflict: Conflict, side: int) -> None:
    """Settle by one side's version, or by its absence."""
    entry = conflict.stages.get(side)
    if entry is None:
        git.text("rm", "--quiet", "--force", "--", conflict.path)
        return
    # Mode 0 drops the stages; both lines are one update of the index.
    lines = f"0 {'0' * 40}\t{conflict.path}\0{entry.mode} {entry.oid} 0\t{conflict.path}\0"
    git.text("update-index", "-z", "--index-info", stdin=lines)
    git.text("checkout-index", "--force", "-u", "--", conflict.path)


def _unite(git: Git, conflict: Conflict) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        files = []
        for side in (OURS, BASE, THEIRS):
            entry = conflict.stages.get(side)
            file = Path(directory, str(side))
            file.write_bytes(git.read("cat-file", "blob", entry.oid) if entry else b"")
            files.append(str(file))
        united = git.read("merge-file", "-p", "--union", *files)
    (git.directory / conflict.path).write_bytes(united)
    git.text("add", "--force", "--", conflict.path)


def _regenerated(
    git: Git, policy: Policy, later: list[tuple[Conflict, FileClass]]
) -> list[Resolution]:
    results = []
    for kind in dict.fromkeys(kind for _, kind in later):
        mine = [conflict for conflict, other in later if other is kind]
        try:
            note = _regenerate(git, policy, kind, mine)
        except (GitFailed, OSError) as error:
            note = str(error)
        results += [_resolution(conflict, kind, note) for conflict in mine]
    return results


def _regenerate(git: Git, policy: Policy, kind: FileClass, mine: list[Conflict]) -> str | None:
    """Run a class's command over one side's versions; returns why that did not work. The
    paths stay unmerged until it has: a crash in between is an unsettled conflict."""
    for conflict in mine:
        side = _SIDES.get(kind.start_from)
        if side in conflict.stages:
            git.text("checkout-index", "--force", f"--stage={side}", "--", conflict.path)
        else:
            (git.directory / conflict.path).unlink(missing_ok=True)
    done = subprocess.run(
        ("sh", "-c", kind.command),
        cwd=git.directory,
        stdin=subprocess.DEVNULL,
        check=False,
        stdout=sys.stderr,
    )
    if done.returncode:
        return f"{kind.command!r} ended with exit code {done.returncode}"
    changed = git.names("diff", "--name-only", "--diff-filter=M", "-z")
    same = [path for path in changed if policy.classify(path) is kind]
    for path in {conflict.path for conflict in mine}.union(same):
        if os.path.lexists(git.directory / path):
            git.text("add", "--force", "--", path)
        else:
            git.text("rm", "--quiet", "--force", "--cached", "--", path)
    return None
