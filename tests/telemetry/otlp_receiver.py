"""See conftest."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver:
    """Keeps what it is sent. `refuse` has it answer so."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.raw = b""
        self.refuse = 200
        self.arrived = Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                with outer.arrived:
                    if outer.refuse == 200:
                        outer.raw += body
                        if self.path == "/v1/traces":
                            outer.traces.append(ExportTraceServiceRequest.FromString(body))
                        elif self.path == "/v1/metrics":
                            outer.metrics.append(ExportMetricsServiceRequest.FromString(body))
                    outer.arrived.notify_all()
                self.send_response(outer.refuse)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> list[Span]:
        """Each once, as those who store them have it."""
        return list({span.span_id: span for span in self.sent()}.values())

    def sent(self) -> list[Span]:
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def wait(self, name: str) -> None:
        """Until a span of that name has arrived."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: name in {s.name for s in self.spans()}, 60)

    def tree(self) -> Iterator[str]:
        """Names, each behind two spaces for every span it is in, in order of their beginnings."""
        spans = sorted(self.spans(), key=lambda span: (span.start_time_unix_nano, span.name))
        ids = {span.span_id for span in spans}

        def below(parent: bytes, depth: int) -> Iterator[str]:
            for span in spans:
                if (span.parent_span_id if span.parent_span_id in ids else b"") == parent:
                    yield "  " * depth + span.name
                    yield from below(span.span_id, depth + 1)

        return below(b"", 0)

    def points(self, name: str) -> list[Any]:
        """The data points of a metric, as last sent by each process."""
        return [
            point
            for request in self.metrics
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in (metric.histogram or metric.sum).data_points or metric.sum.data_points
        ]


def attributes(one: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in one.attributes
    }
