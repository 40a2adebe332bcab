"""A scripted model behind real HTTP on loopback, for whatever agent a test drives.

    with ModelServer(by_turn(Say(calls=(Call("write_file", {...}),)), Say("done"))) as server:
        ... OPENAI_BASE_URL=f"{server.url}/v1", ANTHROPIC_BASE_URL=server.url,
            GOOGLE_GEMINI_BASE_URL=server.url ...
    assert server.requests[0].headers["authorization"] == "Bearer key"

HTTP/1.1 with keep-alive, chunked request bodies and server-sent events. It speaks OpenAI Chat
Completions and Responses, Anthropic Messages and Gemini. Requests that ask for an answer by
a JSON schema get the least instance of it, the policy is not asked. See `model_script` for
policies and faults.
"""

from __future__ import annotations

import itertools
import json
import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

from model_script import (
    Call,
    Conversation,
    Garbage,
    Hang,
    Message,
    Overflow,
    Policy,
    Refuse,
    Reply,
    Say,
    Truncate,
    Usage,
    by_turn,
    in_order,
    with_faults,
)
from model_wires import Anthropic, Chat, Gemini, Responses, Wire, identified, instance, raw
from msgspec import Struct

__all__ = [
    "Call",
    "Conversation",
    "Garbage",
    "Hang",
    "Message",
    "ModelServer",
    "Overflow",
    "Policy",
    "Recorded",
    "Refuse",
    "Reply",
    "Say",
    "Truncate",
    "Usage",
    "by_turn",
    "in_order",
    "with_faults",
]

_ROUTES: tuple[tuple[re.Pattern[str], Wire], ...] = (
    (re.compile(r"/chat/completions$"), Chat()),
    (re.compile(r"/responses$"), Responses()),
    (re.compile(r"/messages$"), Anthropic()),
    (re.compile(r"/models/[^/]+:(generateContent|streamGenerateContent)$"), Gemini()),
)
_PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}


class Recorded(Struct, frozen=True):
    """A request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    time: float
    """`time.monotonic()` when it was complete."""
    connection: int
    """Which connection it came on: the nth, from 0."""
    conversation: Conversation | None
    """None if it did not ask for an answer of the model."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ModelServer:
    """Serves `policy` (which may be replaced at any time) while it is entered."""

    def __init__(self, policy: Policy, *, closing: bool = False, by_schema: bool = False) -> None:
        """`closing`: a stream ends with its connection, instead of by a last chunk.
        `by_schema`: the policy is asked for answers by a JSON schema, too."""
        self.by_schema = by_schema
        self.policy = policy
        self.closing = closing
        self.closed = threading.Event()
        self._records: list[Recorded] = []
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._connections = itertools.count()
        self._open: set[socket.socket] = set()
        self._errors: list[BaseException] = []

    def __enter__(self) -> Self:
        owner = self

        class Handler(_Handler):
            server_of = owner

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 256
            allow_reuse_address = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # the handler has kept it

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.port = self._listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.closed.set()
        self._listener.shutdown()
        self._thread.join()
        for connection in tuple(self._open):
            _shut(connection)
        self._listener.server_close()
        if self._errors and kind is None:
            raise self._errors[0]

    @property
    def requests(self) -> tuple[Recorded, ...]:
        """Those that asked the policy, in the order of their numbers."""
        return tuple(
            record
            for record in self.all_requests
            if record.conversation and record.conversation.number >= 0
        )

    @property
    def all_requests(self) -> tuple[Recorded, ...]:
        """Those for an instance of a schema, lists of models and the like, too."""
        with self._changed:
            return tuple(self._records)

    def wait_requests(self, count: int, timeout: float = 30) -> tuple[Recorded, ...]:
        """Wait until so many have come. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} requests, expected {count}")
        return self.requests

    def _record(
        self, head: tuple[str, str, dict[str, str], bytes], connection: int
    ) -> tuple[Recorded, Wire | None, dict[str, Any] | None]:
        method, target, headers, body = head
        path = target.partition("?")[0]
        wire = next((wire for pattern, wire in _ROUTES if pattern.search(path)), None)
        talk, schema = None, None
        # Numbered and listed in one go, so that the nth listed has number n.
        with self._changed:
            if wire is not None and method == "POST":
                asked = wire.read(json.loads(body), path)
                schema = None if self.by_schema else asked.schema
                talk = Conversation(
                    wire.name,  # type: ignore[arg-type]
                    asked.model,
                    asked.messages,
                    asked.tools,
                    asked.stream,
                    -1 if schema else next(self._numbers),
                )
            record = Recorded(method, target, headers, body, time.monotonic(), connection, talk)
            self._records.append(record)
            self._changed.notify_all()
        return record, wire, schema


class _Handler(socketserver.StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True
    server_of: ModelServer

    def handle(self) -> None:
        owner = self.server_of
        number = next(owner._connections)
        owner._open.add(self.connection)
        try:
            while not owner.closed.is_set():
                head = self._read()
                if head is None:
                    return
                record, wire, schema = owner._record(head, number)
                self._again = head[2].get("connection", "").lower() != "close"
                self._answer(record, wire, schema)
                if not self._again:
                    return
        except OSError:
            return  # the client has gone, as it may
        except BaseException as error:
            owner._errors.append(error)
            raise
        finally:
            owner._open.discard(self.connection)

    def _read(self) -> tuple[str, str, dict[str, str], bytes] | None:
        line = self.rfile.readline()
        if not line.strip():
            return None
        method, target, _ = line.decode("latin-1").split()
        headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(headers.get("content-length", "0")))
        return method, target, headers, body

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers

    def _answer(self, record: Recorded, wire: Wire | None, schema: dict[str, Any] | None) -> None:
        talk = record.conversation
        if wire is None or talk is None:
            self._aside(record)
            return
        reply = Say(json.dumps(instance(schema))) if schema else self.server_of.policy(talk)
        match reply:
            case Refuse(status, after, message):
                headers = {}
                if after is not None and after != int(after):
                    headers["retry-after-ms"] = str(round(after * 1000))
                elif after is not None:
                    headers["retry-after"] = str(int(after))
                self._send(status, wire.error(status, message), headers)
            case Overflow(limit):
                self._send(400, wire.overflow(limit))
            case Garbage(body):
                self._document(200, "text/html", body, {})
            case Hang(0, _):
                self._wait()
            case Hang(events, say) | Truncate(events, say):
                say = identified(say)
                if talk.stream:
                    self._stream(itertools.islice(self._events(wire, record, say), events))
                else:
                    self.connection.sendall(
                        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                        b'content-length: 1000\r\n\r\n{"id": "half'
                    )
                if isinstance(reply, Hang):
                    self._wait()
                self._again = False
            case Say():
                say = identified(reply)
                if talk.stream:
                    self._stream(self._events(wire, record, say))
                    self._end()
                else:
                    usage = _usage(record, say)
                    self._send(200, wire.whole(say, usage, talk.model))

    def _events(self, wire: Wire, record: Recorded, say: Say) -> Iterator[bytes]:
        talk = record.conversation
        assert talk is not None
        return wire.events(say, _usage(record, say), talk.model)

    def _aside(self, record: Recorded) -> None:
        """What is not a question to the model."""
        path = record.target.partition("?")[0]
        if path.endswith("/models"):
            model = {"id": "scripted", "object": "model", "owned_by": "tests"}
            self._send(200, {"object": "list", "data": [model], "models": []})
        elif path.endswith("/count_tokens"):
            self._send(200, {"input_tokens": len(record.body) // 4})
        elif path.endswith(":countTokens"):
            self._send(200, {"totalTokens": len(record.body) // 4})
        else:
            self._send(404, {"error": {"message": f"no such path: {path}"}})

    def _send(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self._document(status, "application/json", json.dumps(value).encode(), headers or {})

    def _document(self, status: int, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
        phrase = _PHRASES.get(status, "Scripted")
        lines = [f"HTTP/1.1 {status} {phrase}", f"content-type: {kind}"]
        lines += [f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.connection.sendall("\r\n".join([*lines, "\r\n"]).encode() + body)

    def _stream(self, events: Iterator[bytes]) -> None:
        closing = self.server_of.closing
        rest = "connection: close" if closing else "transfer-encoding: chunked"
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{rest}\r\n\r\n".encode()
        for event in events:
            chunk = event if closing else b"%x\r\n%b\r\n" % (len(event), event)
            self.connection.sendall(head + chunk)
            head = b""
        if head:
            self.connection.sendall(head)

    def _end(self) -> None:
        if self.server_of.closing:
            self._again = False
        else:
            self.connection.sendall(b"0\r\n\r\n")

    def _wait(self) -> None:
        """Until the client goes, or the server is closed."""
        self._again = False
        self.connection.recv(1)


def _usage(record: Recorded, say: Say) -> Usage:
    said = len(say.text) + len(say.thinking) + sum(len(raw(call)) for call in say.calls)
    return say.usage or Usage(len(record.body) // 4, said // 4)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has gone by itself
