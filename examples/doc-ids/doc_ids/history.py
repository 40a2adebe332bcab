"""The ids a document had: its own past through every branch that was merged, renames followed.

A copy is no rename: a document that began as a copy begins there, so it never inherits the
id of the one it was copied from.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from doc_ids import front_matter
from doc_ids.git import Change, Git


@dataclass(frozen=True)
class Held:
    """One id a document had."""

    id: str
    line: bytes
    """The id line as it was written, without its end."""
    commit: str
    """The newest commit that has it."""
    since: int
    """How many commits came after the first one that had it."""


def trace(git: Git, paths: Iterable[str]) -> dict[str, list[Held]]:
    """For each document of the work tree its ids, the latest first."""
    wanted = list(paths)
    if not wanted:
        return {}
    graph, moved = _Graph(git), git.moved()
    versions = {path: list(graph.versions(moved.get(path, path))) for path in wanted}
    contents = git.contents(sorted({blob for found in versions.values() for _, blob in found}))
    return {path: _ids(graph, found, contents) for path, found in versions.items()}


class _Graph:
    """All commits, and what became of the documents between each and its parents."""

    def __init__(self, git: Git) -> None:
        self.commits = git.commits()
        self._position = {commit.oid: at for at, commit in enumerate(self.commits)}
        empty = git.empty_tree()
        trees = {commit.oid: commit.tree for commit in self.commits}
        # A parent that is not there is beyond the edge of a shallow clone.
        self._edges: list[list[tuple[str | None, str]]] = [
            [(parent, trees[parent]) for parent in commit.parents if parent in trees]
            or [(None, empty)]
            for commit in self.commits
        ]
        pairs = {
            (tree, commit.tree)
            for commit, edges in zip(self.commits, self._edges, strict=True)
            for _, tree in edges
            if tree != commit.tree
        }
        changes = git.changes(sorted(pairs)) if pairs else {}
        self._changes: dict[tuple[str, str], dict[str, Change]] = {
            pair: {change.path: change for change in found} for pair, found in changes.items()
        }

    def versions(self, path: str) -> Iterator[tuple[int, str]]:
        """Each content the document at `path` in HEAD had, newest first, by the place of the
        commit that made it."""
        pending = [(0, path)] if self.commits else []
        seen = set(pending)
        while pending:
            at, name = heapq.heappop(pending)
            for parent, tree in self._edges[at]:
                change = self._changes.get((tree, self.commits[at].tree), {}).get(name)
                if change is not None and change.blob is not None:
                    yield at, change.blob
                old = name if change is None else change.old_path
                if parent is None or old is None:
                    continue
                state = (self._position[parent], old)
                if state not in seen:
                    seen.add(state)
                    heapq.heappush(pending, state)


def _ids(graph: _Graph, versions: list[tuple[int, str]], contents: dict[str, bytes]) -> list[Held]:
    found: dict[str, Held] = {}
    for at, blob in versions:
        try:
            front = front_matter.read(contents[blob])
        except front_matter.NoPlace:
            continue
        if front is None or front.id is None or front.line is None:
            continue
        latest = found.get(front.id)
        line = latest.line if latest else front.line
        commit = latest.commit if latest else graph.commits[at].oid
        found[front.id] = Held(front.id, line, commit, at)
    return list(found.values())
