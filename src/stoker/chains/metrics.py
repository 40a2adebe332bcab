"""What is counted of chain groups, by the names that users of the older system know."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from stoker.chains.tools import Tools
    from stoker.engine.engine import Engine


class Reading(NamedTuple):
    """One number."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    value: float


class Metrics:
    """Of one engine, since it began. Times in seconds."""

    def __init__(self) -> None:
        self._active = 0
        self._groups = 0
        self._group_time = 0.0
        self._plans = 0
        self._plan_time = 0.0
        self._reruns = 0
        self._contention_time = 0.0
        self._tools: list[Tools] = []

    @contextmanager
    def group(self) -> Iterator[None]:
        """While one is under way."""
        began = time.monotonic()
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1
            self._groups += 1
            self._group_time += time.monotonic() - began

    def plan(self, seconds: float) -> None:
        """One is over, so long after it was created."""
        self._plans += 1
        self._plan_time += seconds

    def contention(self, reruns: int, seconds: float) -> None:
        """A group had to run again so often; what that took."""
        self._reruns += reruns
        self._contention_time += seconds

    def opened(self, tools: Tools) -> None:
        """What these count is counted here."""
        self._tools.append(tools)

    def read(self) -> list[Reading]:
        """As they are now."""
        asked = sum(one.compiler.asked for one in self._tools)
        hits = sum(one.compiler.hits for one in self._tools)
        trips = sum(one.remote.trips for one in self._tools)
        return [
            Reading("active_nodes_count", "gauge", "Groups under way", self._active),
            Reading("plans", "counter", "Plans that were completed", self._plans),
            Reading(
                "plan_completion_time",
                "counter",
                "From the creation of plans to their end, seconds, all together",
                self._plan_time,
            ),
            Reading("groups", "counter", "Groups that are over", self._groups),
            Reading(
                "group_execution_time",
                "counter",
                "What groups took, seconds, all together",
                self._group_time,
            ),
            Reading(
                "compilation_cache_hit_rate",
                "gauge",
                "Share of the compilations that were at hand, from 0 to 1",
                hits / asked if asked else 0.0,
            ),
            Reading("reruns", "counter", "Times that groups ran again", self._reruns),
            Reading(
                "fork_contention_time",
                "counter",
                "What groups ran in vain, for others had changed what they saw; seconds",
                self._contention_time,
            ),
            Reading("rpc_round_trips", "counter", "Round trips to nodes", trips),
        ]


_OF: WeakKeyDictionary[Engine, Metrics] = WeakKeyDictionary()


def of(engine: Engine) -> Metrics:
    """An engine's."""
    return _OF.setdefault(engine, Metrics())
