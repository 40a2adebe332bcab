"""Personalised PageRank by pushing (Andersen, Chung and Lang): it looks only at the part of the
graph that the seeds reach, so the graph need never be built."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

_RESTART: Final = 0.25
_PUSHES: Final = 64

Edges = Callable[[str], Mapping[str, float]]
"""What a node leads to, with weights above 0."""


def rank(
    edges: Edges,
    seeds: Mapping[str, float],
    *,
    restart: float = _RESTART,
    tolerance: float = 5e-4,
    pushes: int = _PUSHES,
) -> dict[str, float]:
    """The share of time a walker spends at each node who begins at the seeds, by their weights,
    follows edges by theirs, and goes back to the seeds with probability `restart`, or if there
    is nowhere to go. Sums to 1; what is not pushed on any more, as no node holds more than
    `tolerance` of it or `pushes` nodes were looked at, stays where it is."""
    total = sum(seeds.values())
    if not total:
        return {}
    begin = {node: weight / total for node, weight in seeds.items() if weight > 0}
    settled: dict[str, float] = {}
    moving = dict(begin)
    queue = deque(begin)
    queued = set(begin)
    while queue and pushes:
        node = queue.popleft()
        queued.discard(node)
        mass = moving.get(node, 0.0)
        if mass <= tolerance:
            continue
        pushes -= 1
        moving[node] = 0.0
        settled[node] = settled.get(node, 0.0) + restart * mass
        out: Mapping[str, float] = edges(node) or begin
        share = (1 - restart) * mass / sum(out.values())
        for other, weight in out.items():
            moving[other] = moving.get(other, 0.0) + share * weight
            if other not in queued and moving[other] > tolerance:
                queue.append(other)
                queued.add(other)
    for node, mass in moving.items():
        if mass:
            settled[node] = settled.get(node, 0.0) + mass
    return settled
