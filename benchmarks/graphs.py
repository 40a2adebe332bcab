"""The same graphs through every program."""

from __future__ import annotations

from benchmarks.measure import Bench, Samples
from benchmarks.peers import FLOOR, MAKE, NINJA, OTHERS, STOKERS, Peer
from benchmarks.shapes import Shape, chain, independent, layered
from benchmarks.table import Row, at_most

_NINJA, _MAKE, _NINJA_POWER = 0.75, 1.5, 0.9


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Independent steps, a chain and a layered graph, at widths 2 and 8."""
    if quick:
        work = [(independent(20), 2), (layered(20, layers=4), 2)]
    else:
        shapes = (independent(1_000), independent(10_000), layered(2_000))
        work = [(shape, width) for shape in shapes for width in (2, 8)]
        work.append((chain(500), 2))
    return [row for shape, width in work for row in _rows(bench, shape, width, quick=quick)]


def _rows(bench: Bench, shape: Shape, width: int, *, quick: bool) -> list[Row]:
    everybody: list[Peer] = [NINJA, MAKE, *STOKERS]
    if not any(shape.dependencies):
        everybody.append(FLOOR)
    if not quick:
        everybody += OTHERS
    peers = [peer for peer in everybody if peer.largest >= len(shape)]
    title = f"{shape.name}, width {width}"
    found = bench.interleave(title, [peer.case(shape, width) for peer in peers])
    held = len(shape) >= 2_000
    return [_row(title, name, found, judged=held) for name in found]


def _row(title: str, name: str, found: dict[str, Samples], *, judged: bool) -> Row:
    samples = found[name]
    ninja, make = (samples.ratio(found[peer.name]) for peer in (NINJA, MAKE))
    goal, met = "", None
    if judged and name == "stoker":
        goal = f"ninja <= {_NINJA}, make <= {_MAKE}"
        met = ninja <= _NINJA and make <= _MAKE
    elif judged and name == "stoker, power":
        goal, met = at_most("ninja", ninja, _NINJA_POWER)
    floor = found.get(FLOOR.name)
    return Row(
        measure=title,
        who=name,
        value=samples.median("wall"),
        unit="s",
        ninja=ninja,
        make=make,
        floor=None if floor is None else samples.ratio(floor),
        cpu=samples.median("cpu"),
        peak=samples.median("peak") / 1e6,
        goal=goal,
        met=met,
    )
