"""The graphs that everybody runs: every step is `/bin/true`."""

from __future__ import annotations

from random import Random

from msgspec import Struct


class Shape(Struct, frozen=True):
    """A graph. Step `i` waits for the steps `dependencies[i]`, all of smaller index."""

    name: str
    dependencies: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.dependencies)

    @property
    def steps(self) -> list[tuple[str, list[str]]]:
        """Ids of the steps, each with the ids it waits for."""
        return [(f"s{i}", [f"s{d}" for d in waits]) for i, waits in enumerate(self.dependencies)]


def independent(count: int) -> Shape:
    """Steps that wait for nothing."""
    return Shape(f"{count:,} independent" if count > 1 else "1 step", ((),) * count)


def chain(count: int) -> Shape:
    """Each step waits for the one before."""
    return Shape(f"chain of {count:,}", ((), *((i,) for i in range(count - 1))))


def layered(count: int, *, layers: int = 40, waits: int = 3) -> Shape:
    """Layers of equal size; each step waits for `waits` random ones of the layer before."""
    random = Random(7)
    size = count // layers
    dependencies: list[tuple[int, ...]] = []
    for index in range(count):
        first = (index // size - 1) * size
        before = range(first, first + size) if first >= 0 else range(0)
        dependencies.append(tuple(sorted(random.sample(before, min(waits, len(before))))))
    return Shape(f"layered {count:,} x {waits}", tuple(dependencies))
