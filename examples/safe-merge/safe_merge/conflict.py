"""Conflicts as the index of the scratch worktree has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from safe_merge.git import Git

BASE, OURS, THEIRS = 1, 2, 3
"""Stages: the common ancestor, the target branch, the source branch."""

_SEEN: Final = {
    (BASE, OURS, THEIRS): "both modified",
    (OURS, THEIRS): "both added",
    (BASE, OURS): "deleted by the source",
    (BASE, THEIRS): "deleted by the target",
    (BASE,): "both deleted or renamed",
    (OURS,): "added by the target",
    (THEIRS,): "added by the source",
}


class Entry(NamedTuple):
    mode: str
    oid: str

    @property
    def is_file(self) -> bool:
        """Neither a link nor a submodule."""
        return self.mode.startswith("100")


class Conflict(NamedTuple):
    """A path that git could not merge."""

    path: str
    stages: Mapping[int, Entry]

    @property
    def what(self) -> str:
        """What happened, in a person's words."""
        return _SEEN[tuple(sorted(self.stages))]

    def mergeable(self, git: Git) -> bool:
        """Whether both sides have text that can be merged by line."""
        sides = OURS in self.stages and THEIRS in self.stages
        return sides and all(e.is_file for e in self.stages.values()) and not self.binary(git)

    def binary(self, git: Git) -> bool:
        """Whether any version is binary, as git itself tells: a NUL near the beginning."""
        return any(
            entry.is_file and b"\0" in git.read("cat-file", "blob", entry.oid)[:8000]
            for entry in self.stages.values()
        )


def conflicts(git: Git) -> tuple[Conflict, ...]:
    """The unmerged paths of a worktree, in order."""
    found: dict[str, dict[int, Entry]] = {}
    for line in git.names("ls-files", "--unmerged", "-z"):
        facts, _, path = line.partition("\t")
        mode, oid, stage = facts.split()
        found.setdefault(path, {})[int(stage)] = Entry(mode, oid)
    return tuple(Conflict(path, stages) for path, stages in sorted(found.items()))
