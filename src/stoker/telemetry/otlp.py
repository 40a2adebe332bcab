"""Spans and metrics as OpenTelemetry's SDK sends them. Blocking; imported only when needed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from stoker.telemetry.spans import Span, span_id

_VERSION = version("stoker")
_SCOPE = InstrumentationScope("stoker", _VERSION)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_BATCH = 512
_METRIC_LABELS = (
    *("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"),
    *("gen_ai.agent.name", "gen_ai.tool.name", "stoker.kind", "stoker.status"),
)


class Sender:
    """Where to send to is said by `endpoint`, a base URL, or else by the standard variables, as
    are headers, time limits and the resource's attributes."""

    def __init__(self, endpoint: str | None) -> None:
        # Who embeds this may listen to the SDK; nobody else is to be told of each retry.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        base = endpoint.rstrip("/") if endpoint else None
        self._resource = Resource({"service.name": "stoker"}).merge(Resource.create())
        self._spans = OTLPSpanExporter(endpoint=base and f"{base}/v1/traces")
        metrics = OTLPMetricExporter(endpoint=base and f"{base}/v1/metrics")
        self._meters = MeterProvider(
            [PeriodicExportingMetricReader(metrics)], self._resource, shutdown_on_exit=False
        )
        meter = self._meters.get_meter("stoker", _VERSION)
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}")
        self._operations = meter.create_histogram("gen_ai.client.operation.duration", "s")
        self._attempts = meter.create_histogram("stoker.attempt.duration", "s")
        self._cost = meter.create_counter("stoker.cost", "USD")

    def send(self, trace: int, spans: Sequence[Span]) -> bool:
        """Send spans of a trace, and count what they tell; whether they have arrived."""
        for span in spans:
            self._count(span)
        arrived = True
        for start in range(0, len(spans), _BATCH):
            batch = [self._readable(trace, span) for span in spans[start : start + _BATCH]]
            arrived &= self._spans.export(batch) is SpanExportResult.SUCCESS
        return arrived

    def close(self) -> None:
        """Send the metrics."""
        self._meters.shutdown()
        self._spans.shutdown()  # type: ignore[no-untyped-call]

    def _readable(self, trace: int, span: Span) -> ReadableSpan:
        def context(key: str) -> SpanContext:
            return SpanContext(trace, span_id(trace, key), False, _SAMPLED)

        return ReadableSpan(
            name=span.name,
            context=context(span.key),
            parent=context(span.parent) if span.parent is not None else None,
            resource=self._resource,
            attributes=span.attributes,
            events=[Event(n.name, n.attributes, _nanoseconds(n.time)) for n in span.notes],
            kind=SpanKind.CLIENT if span.remote else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK),
            start_time=_nanoseconds(min(span.start, span.end)),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=_SCOPE,
        )

    def _count(self, span: Span) -> None:
        found = span.attributes
        labels = {name: found[name] for name in _METRIC_LABELS if name in found}
        took = max(span.end - span.start, 0.0)
        operation = found.get("gen_ai.operation.name")
        if operation is not None:
            self._operations.record(took, labels)
        if operation == "chat":
            for kind in ("input", "output"):
                if count := found.get(f"gen_ai.usage.{kind}_tokens"):
                    self._tokens.record(int(count), {**labels, "gen_ai.token.type": kind})
            self._cost.add(float(found.get("stoker.cost_usd", 0.0)), labels)
        if "stoker.attempt" in found:
            self._attempts.record(took, labels)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
