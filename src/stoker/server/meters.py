"""What is counted and measured while the server runs."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stoker.journal.events import (
    ATTEMPT_RUNNING,
    ATTEMPT_SETTLED,
    ATTEMPT_STARTING,
    RUN_SETTLED,
    Event,
)
from stoker.server.metrics import Counter, Gauge, Histogram, Labels, Metric

if TYPE_CHECKING:
    from stoker.server.service import Service

_FRESH_SEC: Final = 60.0
"""Events older than that tell nothing of how far listeners are behind."""


class Meters:
    """Of one server."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.requests = Counter(
            "stoker_http_requests_total", "Requests answered", "method", "status"
        )
        self._events = Counter("stoker_events_total", "Events of all runs", "type")
        self._settled = Counter("stoker_runs_settled_total", "Runs that ended", "status")
        self._attempts = Counter("stoker_attempts_settled_total", "Attempts that ended", "status")
        self._lag = Histogram(
            "stoker_event_lag_seconds", "From an event to its being handed to listeners"
        )
        self._start = Histogram(
            "stoker_process_start_seconds", "From the journaled start of an attempt to its process"
        )
        self._starting: dict[tuple[str, str | None, int | None], float] = {}

    def all(self) -> list[Metric]:
        """As they are now."""
        service = self._service
        steps = [step for one in service.engine.handles() for step in one.state.steps]
        by_status: dict[Labels, float] = {
            (status,): float(n) for status, n in Tally(s.status for s in steps).items()
        }
        queued = sum(s.status == "waiting" and s.reason in ("resources", "locks") for s in steps)
        return [
            Gauge(
                "stoker_runs", "Runs that are not over, by status", service.hub.statuses(), "status"
            ),
            Gauge("stoker_driven_runs", "Runs this server drives", service.driven),
            Gauge("stoker_steps", "Steps of driven runs, by status", by_status, "status"),
            Gauge("stoker_queued_steps", "Steps that wait for resources", queued),
            Gauge("stoker_streams", "Open streams", service.streams),
            *(self._settled, self._attempts, self._events, self._lag, self._start, self.requests),
            *_of_chains(service),
        ]

    def count(self, event: Event) -> None:
        """Something has happened in a run."""
        self._events.add(event.type)
        late = time.time() - event.time
        if late < _FRESH_SEC:
            self._lag.add(max(0.0, late))
        key = (event.run_id, event.step, event.attempt)
        if event.type == ATTEMPT_STARTING:
            self._starting[key] = event.time
        elif event.type == ATTEMPT_RUNNING:
            if (began := self._starting.pop(key, None)) is not None:
                self._start.add(max(0.0, event.time - began))
        elif event.type == ATTEMPT_SETTLED:
            self._starting.pop(key, None)
            self._attempts.add(str(event.data["status"]))
        elif event.type == RUN_SETTLED:
            self._settled.add(str(event.data["status"]))


def _of_chains(service: Service) -> Iterator[Metric]:
    from stoker.chains.metrics import of

    for one in of(service.engine).read():
        name = f"stoker_chain_{one.name}"
        if one.kind == "gauge":
            yield Gauge(name, one.help, one.value)
        else:
            counter = Counter(f"{name}_total", one.help)
            counter.add(amount=one.value)
            yield counter
