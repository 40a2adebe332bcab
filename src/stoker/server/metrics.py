"""Counters, gauges and histograms, and their exposition for Prometheus (text format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping

Labels = tuple[str, ...]
CONTENT_TYPE = "text/plain; version=0.0.4"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Counter:
    """A number that only grows, for every combination of labels."""

    kind = "counter"

    def __init__(self, name: str, help: str, *labels: str) -> None:
        self.name, self.help, self._labels = name, help, labels
        self._values: dict[Labels, float] = defaultdict(float)
        if not labels:
            self._values[()] = 0.0

    def add(self, *labels: str, amount: float = 1.0) -> None:
        self._values[labels] += amount

    def lines(self) -> Iterable[str]:
        for labels, value in self._values.items():
            yield f"{self.name}{_shown(self._labels, labels)} {value:g}"


class Gauge:
    """A number as it is now, for every combination of labels."""

    kind = "gauge"

    def __init__(
        self, name: str, help: str, values: Mapping[Labels, float] | float, *labels: str
    ) -> None:
        self.name, self.help, self._labels = name, help, labels
        self._values = {(): values} if isinstance(values, int | float) else values

    def lines(self) -> Iterable[str]:
        for labels, value in self._values.items():
            yield f"{self.name}{_shown(self._labels, labels)} {value:g}"


class Histogram:
    """How often something took how long, in seconds."""

    kind = "histogram"

    def __init__(self, name: str, help: str) -> None:
        self.name, self.help = name, help
        self._counts = [0] * (len(_BUCKETS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BUCKETS, seconds)] += 1
        self._sum += seconds

    def lines(self) -> Iterable[str]:
        total = 0
        for bound, count in zip((*map(str, _BUCKETS), "+Inf"), self._counts, strict=True):
            total += count
            yield f'{self.name}_bucket{{le="{bound}"}} {total}'
        yield f"{self.name}_sum {self._sum:g}"
        yield f"{self.name}_count {total}"


Metric = Counter | Gauge | Histogram


def exposition(metrics: Iterable[Metric]) -> str:
    """All of them, as Prometheus reads them."""
    lines: list[str] = []
    for metric in metrics:
        lines += (f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}")
        lines += metric.lines()
    return "\n".join([*lines, ""])


def _shown(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
