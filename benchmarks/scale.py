"""100,000 steps: time, memory, and whether time grows with the number of steps alone."""

from __future__ import annotations

from benchmarks.measure import Bench
from benchmarks.peers import NINJA, STOKERS
from benchmarks.shapes import independent
from benchmarks.table import Row, at_most

_MEGABYTES = 400
_LINEAR = 1.15
"""Time per step may grow by so much: caches, deeper trees in the journal."""


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """One round at width 8, beside a tenth of the steps and ninja."""
    small, large = independent(20 if quick else 10_000), independent(200 if quick else 100_000)
    stoker = STOKERS[0]
    tenth = bench.interleave(small.name, [stoker.case(small, 8)])["stoker"]
    found = bench.interleave(large.name, [NINJA.case(large, 8), stoker.case(large, 8)], rounds=1)
    ours, ninja = found["stoker"], found["ninja"]
    growth = ours.median("wall") / tenth.median("wall") * len(small) / len(large)
    peak = ours.median("peak") / 1e6
    within = at_most("peak", peak, _MEGABYTES, " MB")
    linear = at_most("per step x", growth, _LINEAR)
    wall = ninja.median("wall")
    return [
        Row(
            measure=f"{large.name}, width 8",
            who="ninja",
            value=wall,
            unit="s",
            ninja=1.0,
            cpu=ninja.median("cpu"),
            peak=ninja.median("peak") / 1e6,
        ),
        Row(
            measure=f"{large.name}, width 8",
            value=ours.median("wall"),
            unit="s",
            ninja=ours.ratio(ninja),
            cpu=ours.median("cpu"),
            peak=peak,
            goal=within[0],
            met=within[1],
        ),
        Row(
            measure=f"a step of {len(large):,}, to one of {len(small):,}",
            value=ours.median("wall") / len(large) * 1e3,
            unit="ms",
            floor=growth,
            goal=linear[0],
            met=linear[1],
        ),
    ]
