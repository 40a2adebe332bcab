"""Which of the steps that could start do start: one run's queue before the shared capacity."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from stoker.engine.capacity import Capacity, Demand, DemandQueue
from stoker.engine.profile import Profile


class Admission:
    """The queue of one run, and what its active steps hold.

    Steps that demand resources go first come, first served; the others by priority, the
    highest first. `width` bounds the run's own concurrency; `wake` is called when capacity
    that was missing is free.
    """

    def __init__(self, capacity: Capacity, wake: Callable[[], None], width: int | None) -> None:
        self.active: set[int] = set()
        """Steps with an attempt under way."""
        self._capacity = capacity
        self._wake = wake
        self._width = width
        self._queue: list[tuple[float, int]] = []
        self._demands = DemandQueue()
        self._weightless: list[int] = []
        """Queued steps that take no slot: they only wait for others."""
        self._slotless: set[int] = set()
        self._lent: set[int] = set()
        """Active steps whose slot others have, which they wait for."""
        self._resting: set[int] = set()
        """Those of them that leave their place in the run's width to others, too."""
        self._holding: dict[int, Demand] = {}
        self._fresh: dict[int, None] = {}
        """Queued for resources, and nobody has been told that they wait."""
        self._starving: list[int] = []

    def __bool__(self) -> bool:
        """Whether any step is queued."""
        return bool(self._queue or self._demands or self._weightless)

    def lacking(self, profile: Profile) -> str | None:
        """Why a step can never start: it demands more than there is. None if it can."""
        for name, amount in profile.demand:
            total = self._capacity.total(name)
            if amount > total:
                return f"needs {amount:,.12g} of resource {name!r}, but there is only {total:,.12g}"
        return None

    def starving(self) -> list[int]:
        """Queued steps whose resources were not free; each is named once."""
        starving, self._starving = self._starving, []
        return starving

    def push(self, index: int, profile: Profile, priority: float) -> None:
        if not profile.takes_slot:
            self._weightless.append(index)
        elif profile.demand:
            self._demands.push(profile.demand, index)
            self._fresh[index] = None
        else:
            heapq.heappush(self._queue, (-priority, index))

    def pop(self) -> int | None:
        """The next step to start, now active; None if none can start."""
        if self._weightless:
            index = self._weightless.pop(0)
            self._slotless.add(index)
            self.active.add(index)
            return index
        if not (self._queue or self._demands):
            return None
        busy = len(self.active) - len(self._slotless) - len(self._resting)
        if self._width is not None and busy >= self._width:
            return None
        if not self._capacity.take_slot(self._wake):
            return None
        found = self._pop_fitting()
        if found is None:
            self._capacity.return_slot()
        else:
            self.active.add(found)
        return found

    def _pop_fitting(self) -> int | None:
        if self._demands:
            fitting = self._demands.pop(self._capacity)
            if fitting is not None:
                index, demand = fitting
                self._fresh.pop(index, None)
                self._hold(index, demand)
                return index
            self._capacity.starve(self._wake)
            self._starving += self._fresh
            self._fresh.clear()
        return heapq.heappop(self._queue)[1] if self._queue else None

    def adopt(self, index: int, profile: Profile) -> None:
        """Count a step in that runs already, whether there is room or not."""
        self.active.add(index)
        if profile.takes_slot:
            self._capacity.force_slot()
        else:
            self._slotless.add(index)
        self._hold(index, profile.demand)

    def release(self, index: int) -> None:
        """An active step's attempt is over."""
        self.active.discard(index)
        self.take_again(index)
        if index in self._slotless:
            self._slotless.discard(index)
        else:
            self._capacity.give_slot()
        demand = self._holding.pop(index, None)
        if demand:
            self._capacity.give(demand)

    def lend(self, index: int, *, rest: bool = False) -> None:
        """Let others have an active step's slot until it takes one again, and with `rest` its
        place in the run's width."""
        if index in self.active and index not in self._slotless | self._lent:
            self._lent.add(index)
            if rest:
                self._resting.add(index)
            self._capacity.give_slot()

    def take_again(self, index: int) -> None:
        """Take a slot for a step that lent its own, whether there is one or not."""
        if index in self._lent:
            self._lent.discard(index)
            self._resting.discard(index)
            self._capacity.force_slot()

    def discard(self, index: int) -> None:
        """Take a step out of the queue."""
        self._queue = [entry for entry in self._queue if entry[1] != index]
        heapq.heapify(self._queue)
        self._weightless = [queued for queued in self._weightless if queued != index]
        self._demands.discard(index)
        self._fresh.pop(index, None)

    def clear(self) -> None:
        """Empty the queue; what is active stays so."""
        self._queue.clear()
        self._weightless.clear()
        self._demands = DemandQueue()
        self._fresh.clear()

    def close(self) -> None:
        """Give back all that is held, whatever has become of the steps."""
        self.clear()
        for index in list(self.active):
            self.release(index)

    def _hold(self, index: int, demand: Demand) -> None:
        if demand:
            self._capacity.take(demand)
            self._holding[index] = demand
