"""What stands between Stoker and a node: counts round trips, delays them, and does to them what
public nodes do."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from nodes import Node, RpcFailed

Fault = Callable[[Any, int], "tuple[int, dict[str, str], bytes] | None"]
"""Of what was asked (decoded) and the number of the round trip, from 1: status, headers and body
to answer with. None: the node answers. May raise `Dropped`, and wait for `released`."""


class Dropped(Exception):
    """The connection is closed without an answer."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Proxy:
    """A real HTTP server on loopback; with `upstream`, in front of a node. A context manager."""

    def __init__(
        self, upstream: str | None = None, fault: Fault | None = None, latency: float = 0.0
    ) -> None:
        self.asked: list[Any] = []
        """What each round trip asked, decoded, as they came."""
        self.fault = fault
        self.released = threading.Event()
        """For faults that keep a client waiting: set when the proxy ends."""
        self._upstream, self._latency = upstream, latency
        self._client = httpx.Client(timeout=30)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, headers, content = proxy._answer(body)
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except (Dropped, OSError):
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def trips(self) -> int:
        return len(self.asked)

    def methods(self) -> list[list[str]]:
        """Of each round trip."""
        return [
            [one["method"] for one in (asked if isinstance(asked, list) else [asked])]
            for asked in self.asked
        ]

    def _answer(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        decoded = json.loads(body)
        self.asked.append(decoded)
        time.sleep(self._latency)
        if self.fault is not None and (told := self.fault(decoded, len(self.asked))) is not None:
            return told
        assert self._upstream is not None
        answer = self._client.post(
            self._upstream, content=body, headers={"Content-Type": "application/json"}
        )
        return answer.status_code, {"Content-Type": "application/json"}, answer.content

    def __enter__(self) -> Proxy:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._client.close()


def told(asked: Any, **results: object) -> tuple[int, dict[str, str], bytes]:
    """Results by method; an exception's code and message stand for an error."""

    def one(request: dict[str, Any]) -> dict[str, Any]:
        result = results.get(request["method"])
        answer = {"jsonrpc": "2.0", "id": request["id"]}
        if isinstance(result, Exception):
            code, message = result.args
            return answer | {"error": {"code": code, "message": message}}
        return answer | {"result": result}

    answers = [one(request) for request in asked] if isinstance(asked, list) else one(asked)
    return 200, {}, json.dumps(answers).encode()


def instead(node: Node, **results: object) -> Fault:
    """A node that is another in some methods: by method its result, as for `told`, or a function
    of the parameters that gives it."""

    def one(request: dict[str, Any]) -> bytes:
        method = request["method"]
        result = results.get(method, node.rpc)
        if callable(result):
            params = request["params"]
            try:
                result = result(method, *params) if method not in results else result(*params)
            except RpcFailed as error:
                result = ValueError(error.error["code"], error.error["message"])
        return told(request, **{method: result})[2]

    def fault(asked: Any, trip: int) -> tuple[int, dict[str, str], bytes]:
        if isinstance(asked, dict):
            return 200, {}, one(asked)
        return 200, {}, b"[" + b",".join(map(one, asked)) + b"]"

    return fault
