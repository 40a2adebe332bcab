"""How much may run at once in one engine: slots, and named resources shared by all runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

Demand = tuple[tuple[str, float], ...]
"""Sorted (name, amount) pairs: hashable, so that equal demands share one queue."""

_EPSILON = 1e-9


class Capacity:
    """Slots and resources of an engine. Not thread-safe: it lives in the event loop.

    Resources are granted all-or-nothing and first come, first served: a demand that
    cannot be met reserves its names, so that smaller ones behind it do not starve it.
    """

    def __init__(self, slots: int | None, resources: Mapping[str, float]) -> None:
        self._free_slots = slots
        self._total = dict(resources)
        self._free = dict(resources)
        self._starved: dict[Callable[[], None], None] = {}

    def declare(self, resources: Mapping[str, float]) -> None:
        """Make names known that nobody gave a capacity yet; the first to name one decides."""
        for name, amount in resources.items():
            if name not in self._total:
                self._total[name] = self._free[name] = amount

    def total(self, name: str) -> float:
        """Capacity of a resource; a name nobody declared stands for one of its kind."""
        return self._total.get(name, 1.0)

    def take_slot(self, wake: Callable[[], None]) -> bool:
        """Take one slot, or promise to call `wake` once when one is free."""
        if self._free_slots is None:
            return True
        if self._free_slots > 0:
            self._free_slots -= 1
            return True
        self._starved[wake] = None
        return False

    def force_slot(self) -> None:
        """Take a slot for what runs already, even if none is free."""
        if self._free_slots is not None:
            self._free_slots -= 1

    def return_slot(self) -> None:
        """Take back a slot that was not used; nobody's chances have changed."""
        if self._free_slots is not None:
            self._free_slots += 1

    def give_slot(self) -> None:
        if self._free_slots is not None:
            self._free_slots += 1
            self._wake()

    def fits(self, demand: Demand, reserved: set[str]) -> bool:
        """Whether the demand can be met now without passing a reservation."""
        return all(
            name not in reserved and self._free.get(name, self.total(name)) + _EPSILON >= amount
            for name, amount in demand
        )

    def take(self, demand: Demand) -> None:
        for name, amount in demand:
            self._free[name] = self._free.get(name, self.total(name)) - amount

    def give(self, demand: Demand) -> None:
        for name, amount in demand:
            self._free[name] += amount
        if demand:
            self._wake()

    def starve(self, wake: Callable[[], None]) -> None:
        """Call `wake` once when anything is given back."""
        self._starved[wake] = None

    def _wake(self) -> None:
        if self._starved:
            starved, self._starved = self._starved, {}
            for wake in starved:
                wake()


class DemandQueue:
    """Steps of one run that wait for resources, in order of arrival, a queue per demand:
    only the heads are ever looked at, so 10,000 waiting steps cost nothing."""

    def __init__(self) -> None:
        self._queues: dict[Demand, deque[tuple[int, int]]] = {}
        self._ticket = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def push(self, demand: Demand, step: int) -> None:
        self._ticket += 1
        self._queues.setdefault(demand, deque()).append((self._ticket, step))

    def pop(self, capacity: Capacity) -> tuple[int, Demand] | None:
        """The next step whose demand fits, respecting those that came before it."""
        reserved: set[str] = set()
        for demand in sorted(self._queues, key=lambda d: self._queues[d][0]):
            if capacity.fits(demand, reserved):
                queue = self._queues[demand]
                _, step = queue.popleft()
                if not queue:
                    del self._queues[demand]
                return step, demand
            reserved.update(name for name, _ in demand)
        return None

    def discard(self, step: int) -> None:
        for demand, queue in list(self._queues.items()):
            kept = deque(entry for entry in queue if entry[1] != step)
            if kept:
                self._queues[demand] = kept
            else:
                del self._queues[demand]
