"""What is counted and measured while the server runs."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from stoker.journal.events import (
    ATTEMPT_RUNNING,
    ATTEMPT_SETTLED,
    ATTEMPT_STARTING,
    RUN_SETTLED,
    Event,
)

if TYPE_CHECKING:
    from stoker.server.service import Service

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_FRESH_SEC: Final = 60.0
"""Events older than that tell nothing of how far listeners are behind."""
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

disable_created_metrics()  # type: ignore[no-untyped-call] # when what was counted first


class Meters(Collector):
    """Of one server."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "stoker_http_requests_total",
            "Requests answered",
            ("method", "status"),
            registry=registry,
        )
        self._events = Counter(
            "stoker_events_total", "Events of all runs", ("type",), registry=registry
        )
        self._settled = Counter(
            "stoker_runs_settled_total", "Runs that ended", ("status",), registry=registry
        )
        self._attempts = Counter(
            "stoker_attempts_settled_total", "Attempts that ended", ("status",), registry=registry
        )
        self._lag = Histogram(
            "stoker_event_lag_seconds",
            "From an event to its being handed to listeners",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._start = Histogram(
            "stoker_process_start_seconds",
            "From the journaled start of an attempt to its process",
            buckets=_BUCKETS,
            registry=registry,
        )
        registry.register(self)
        self._starting: dict[tuple[str, str | None, int | None], float] = {}

    def exposition(self) -> bytes:
        """All of it as it is now, as Prometheus reads it."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: what `collect` tells cannot be told before the server runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What is not counted but looked at."""
        service = self._service
        steps = [step for one in service.engine.handles() for step in one.state.steps]
        by_status = {(status,): float(n) for status, n in Tally(s.status for s in steps).items()}
        for name, help, values in (
            ("runs", "Runs that are not over, by status", service.hub.statuses()),
            ("steps", "Steps of driven runs, by status", by_status),
        ):
            gauge = GaugeMetricFamily(f"stoker_{name}", help, labels=("status",))
            for labels, value in values.items():
                gauge.add_metric(labels, value)
            yield gauge
        queued = sum(s.status == "waiting" and s.reason in ("resources", "locks") for s in steps)
        yield GaugeMetricFamily("stoker_driven_runs", "Runs this server drives", service.driven)
        yield GaugeMetricFamily("stoker_queued_steps", "Steps that wait for resources", queued)
        yield GaugeMetricFamily("stoker_streams", "Open streams", service.streams)
        yield from _of_chains(service)

    def count(self, event: Event) -> None:
        """Something has happened in a run."""
        self._events.labels(event.type).inc()
        late = time.time() - event.time
        if late < _FRESH_SEC:
            self._lag.observe(max(0.0, late))
        key = (event.run_id, event.step, event.attempt)
        if event.type == ATTEMPT_STARTING:
            self._starting[key] = event.time
        elif event.type == ATTEMPT_RUNNING:
            if (began := self._starting.pop(key, None)) is not None:
                self._start.observe(max(0.0, event.time - began))
        elif event.type == ATTEMPT_SETTLED:
            self._starting.pop(key, None)
            self._attempts.labels(str(event.data["status"])).inc()
        elif event.type == RUN_SETTLED:
            self._settled.labels(str(event.data["status"])).inc()


def _of_chains(service: Service) -> Iterator[Metric]:
    from stoker.chains.metrics import of

    for one in of(service.engine).read():
        family = GaugeMetricFamily if one.kind == "gauge" else CounterMetricFamily
        yield family(f"stoker_chain_{one.name}", one.help, one.value)
