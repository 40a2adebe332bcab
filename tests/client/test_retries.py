"""What is sent again, and what is not: against a server that behaves badly on purpose."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from stoker.client import Conflict, NotFound, ServerFault, SyncClient, TooManyRequests, Unreachable
from stoker.client.sse import Told, told

Answer = tuple[int, dict[str, str], bytes]
FINE: Answer = (200, {}, b'{"projects": []}')
DONE: Answer = (200, {}, b'{"run_id": "r", "status": "done"}')


class Flaky:
    """Answers with what it was given, in that order; None: breaks the connection off."""

    def __init__(self, *answers: Answer | None) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str]]] = []


@contextmanager
def serving(flaky: Flaky) -> Iterator[SyncClient]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            flaky.requests.append((f"{self.command} {self.path}", dict(self.headers)))
            answer = flaky.answers.pop(0)
            self.close_connection = True
            if answer is None:
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,)).start()
    try:
        with SyncClient(f"http://127.0.0.1:{server.server_port}", patience_sec=5) as stoker:
            yield stoker
    finally:
        server.shutdown()
        server.server_close()


def problem(status: int, **headers: str) -> Answer:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, b"no json"


def listed(stoker: SyncClient) -> object:
    return stoker.projects.list().projects


def begun(stoker: SyncClient) -> object:
    return stoker.tasks.start("t", executor="X")


def canceled(stoker: SyncClient) -> object:
    return stoker.runs.cancel("r").status


@pytest.mark.parametrize(
    ("answers", "act", "outcome"),
    [
        ((None, FINE), listed, []),
        ((problem(503), problem(502), FINE), listed, []),
        ((problem(500),), listed, ServerFault),
        ((problem(429), DONE), canceled, "done"),
        ((problem(503),), canceled, ServerFault),
        ((None,), canceled, Unreachable),
        ((problem(409),), begun, Conflict),
        ((problem(429, Retry_After="60"),), listed, TooManyRequests),
    ],
)
def test_what_is_sent_again(answers, act: Callable[[SyncClient], object], outcome):
    flaky = Flaky(*answers)
    with serving(flaky) as stoker:
        if isinstance(outcome, type):
            with pytest.raises(outcome):
                act(stoker)
        else:
            assert act(stoker) == outcome
    assert flaky.answers == []


def test_a_start_is_sent_again_with_the_same_key():
    flaky = Flaky(None, problem(409), problem(422))
    with serving(flaky) as stoker, pytest.raises(Exception, match="Unprocessable"):
        begun(stoker)
    keys = {headers["Idempotency-Key"] for _, headers in flaky.requests}
    assert (len(flaky.requests), len(keys)) == (3, 1)


def test_what_was_deleted_at_the_first_try_is_gone():
    with serving(Flaky(None, problem(404), problem(404))) as stoker:
        stoker.runs.remove("r")
        with pytest.raises(NotFound):
            stoker.runs.remove("r")


@pytest.mark.parametrize("first", [problem(429), problem(503)])
def test_what_was_turned_away_has_deleted_nothing(first):
    with serving(Flaky(first, problem(404))) as stoker, pytest.raises(NotFound):
        stoker.runs.remove("r")


def test_a_request_that_never_arrived_has_deleted_nothing():
    class Late(httpx.AsyncBaseTransport):
        """Cannot connect at first."""

        tries = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.tries += 1
            if self.tries == 1:
                raise httpx.ConnectError("refused", request=request)
            return httpx.Response(404, content=b"no json")

    late = Late()
    with SyncClient("http://127.0.0.1:1", transport=late) as stoker, pytest.raises(NotFound):
        stoker.runs.remove("r")
    assert late.tries == 2


def test_a_delete_that_is_to_tell_something_does_not_end_in_nothing():
    with serving(Flaky(None, problem(404))) as stoker, pytest.raises(NotFound):
        stoker.work.delete_file("a", path="b")


def test_the_server_says_when_to_come_back():
    with serving(Flaky(problem(503, Retry_After="1"), FINE)) as stoker:
        began = time.monotonic()
        listed(stoker)
        assert time.monotonic() - began >= 1


def test_a_stream_that_breaks_off_goes_on_behind_what_was_told():
    def events(*numbers: int, end: bytes = b"") -> Answer:
        told = b"".join(
            b'id: %d\ndata: {"run_id":"r","sequence":%d,"time":0,"type":"x"}\n\n' % (n, n)
            for n in numbers
        )
        return 200, {"Content-Type": "text/event-stream"}, b": connected\n\n" + told + end

    cut = events(3)[2][:-30]
    flaky = Flaky(
        events(1, 2),
        None,
        (200, {"Content-Length": "999"}, cut),
        problem(503),
        events(3, 4, end=b"event: end\ndata:\n\n"),
    )
    with serving(flaky) as stoker:
        assert [event.sequence for event in stoker.runs.events("r")] == [1, 2, 3, 4]
    places = [headers.get("Last-Event-ID") for _, headers in flaky.requests]
    assert places == [None, "2", "2", "2", "2"]


def test_only_a_line_feed_ends_a_line_of_a_stream():
    types = ["\u2028", "a\u2029\u0085\u20ac"]
    lines = [f'data: {{"run_id":"r","sequence":1,"time":0,"type":"{type}"}}' for type in types]
    body = "\r\n\r\n".join((*lines, "event: end\r\ndata:", "")).encode()
    with serving(Flaky((200, {"Content-Type": "text/event-stream"}, body))) as stoker:
        seen = [event.type for event in stoker.runs.events("r")]
    assert seen == ["\u2028", "a\u2029\u0085\u20ac"]


def test_a_stream_may_come_in_pieces_of_any_length():
    async def bytewise() -> AsyncIterator[bytes]:
        for byte in "id: 1\ndata: \u2028\u20ac\n\ndata: cut".encode():
            yield bytes([byte])

    async def seen() -> list[Told]:
        return [event async for event in told(bytewise())]

    assert asyncio.run(seen()) == [Told("", "\u2028\u20ac", "1")]
