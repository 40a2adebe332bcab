"""Kind `http`, against a real server on the loopback interface."""

import asyncio
import json
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stoker.engine.kinds import StepFailed
from stoker.plan.model import Step


class Handler(BaseHTTPRequestHandler):
    """Answers with what is scripted, in turn; remembers every request."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers.items()), body))
        script = self.server.script
        status, headers, content = script.pop(0) if len(script) > 1 else script[0]
        if status is None:  # hang up
            self.close_connection = True
            return
        if callable(content):
            content = content()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hung up is part of the test."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        server.script = [(200, {}, b"")]
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def send(carry, server):
    def run(*script, path="/", **definition):
        server.script = list(script) or server.script
        return carry("http", url=server.url + path, retry_delay_sec=0, **definition)

    return run


JSON = {"Content-Type": "application/json; charset=utf-8"}


def test_a_request_as_it_is_written(send, server):
    outcome = send(
        (200, {**JSON, "Set-Cookie": "secret=1"}, b'{"items": [{"id": 1}]}'),
        path="/a?x=1",
        headers={"X-One": "two", "X-N": 3},
        query={"q": ["a b", 2], "n": True},
    )
    assert outcome.result.error is None
    outputs = outcome.result.outputs
    assert outputs["status"] == 200
    assert outputs["json"] == {"items": [{"id": 1}]}
    assert outputs["headers"]["content-type"] == JSON["Content-Type"]
    assert "set-cookie" not in outputs["headers"]
    ((method, path, headers, body),) = server.requests
    assert (method, path, body) == ("GET", "/a?x=1&q=a+b&q=2&n=true", b"")
    assert (headers["X-One"], headers["X-N"]) == ("two", "3")
    assert "Idempotency-Key" not in headers


@pytest.mark.parametrize(
    ("given", "content", "type_"),
    [
        ({"body": "ü"}, "ü".encode(), None),
        ({"json": {"a": [1, None]}}, b'{"a":[1,null]}', "application/json"),
        (
            {"form": {"a": "b c", "d": [1, 2]}},
            b"a=b+c&d=1&d=2",
            "application/x-www-form-urlencoded",
        ),
    ],
)
def test_bodies_and_the_idempotency_key(send, server, given, content, type_):
    outcome = send(method="POST", **given)
    ((_, _, headers, body),) = server.requests
    assert body == content
    assert headers.get("Content-Type") == type_
    assert headers["Idempotency-Key"] == outcome.attempt.token


def test_a_given_idempotency_key_is_kept(send, server):
    send(method="POST", headers={"idempotency-key": "mine"})
    headers = {name.lower(): value for name, value in server.requests[0][2].items()}
    assert headers["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("method", "headers", "status", "sent"),
    [
        ("GET", {}, 502, 3),
        ("GET", {}, 503, 3),
        ("PUT", {}, 504, 3),
        ("POST", {}, 503, 3),
        ("POST", {}, 429, 3),
        ("POST", {}, 502, 1),  # it may have been done
        ("POST", {"Idempotency-Key": "k"}, 502, 3),
        ("GET", {}, 500, 3),
        ("POST", {}, 500, 1),
        ("GET", {}, 404, 1),
        ("GET", {}, None, 3),
        ("POST", {}, None, 1),
    ],
)
def test_what_is_sent_again(send, server, method, headers, status, sent):
    bad = (status, {}, b"busy")
    script = [bad, bad, (200, {}, b"")]
    if sent == 3:
        assert send(*script, method=method, headers=headers).result.error is None
    elif status is None:
        with pytest.raises(StepFailed, match="Server disconnected"):
            send(*script, method=method, headers=headers)
    else:
        error = send(*script, method=method, headers=headers).result.error
        assert error == f"{method} {server.url}/: expected status 2xx, found {status}: busy"
    assert len(server.requests) == sent
    assert len({request[2].get("Idempotency-Key") for request in server.requests}) == 1


def test_an_answer_that_is_expected_is_no_reason_to_ask_again(send, server):
    outcome = send((503, {}, b""), expect={"status": [200, 503]})
    assert outcome.result.error is None
    assert len(server.requests) == 1


def test_no_more_often_than_asked(send, server):
    outcome = send((503, {}, b""), retries=1)
    assert "found 503" in outcome.result.error
    assert len(server.requests) == 2
    assert outcome.out.count(f"GET {server.url}/: 503") == 2


@pytest.mark.parametrize("form", ["seconds", "date", "nonsense"])
def test_retry_after(carry, server, form):
    """The server's pause replaces ours, up to the longest one: ours would never end."""
    value = {"seconds": "0", "date": formatdate(time.time() - 5, usegmt=True), "nonsense": "soon"}
    server.script = [(429, {"Retry-After": value[form]}, b""), (200, {}, b"")]
    delay = {"retry_delay_sec": 0 if form == "nonsense" else 3600, "max_retry_delay_sec": 3600}
    assert carry("http", url=server.url, **delay).result.error is None
    assert len(server.requests) == 2


def test_retry_after_is_capped(carry, server):
    server.script = [(429, {"Retry-After": "3600"}, b""), (200, {}, b"")]
    assert carry("http", url=server.url, max_retry_delay_sec=0).result.error is None


def test_a_port_where_nobody_listens(carry, server):
    server.server_close()
    with pytest.raises(StepFailed, match=r"^POST .*: All connection attempts failed$"):
        carry("http", url=server.url, method="POST", retries=2, retry_delay_sec=0)
    log = carry.attempt(Step(id="s")).log()
    assert log.count("All connection attempts failed") == 3


def test_a_server_that_is_too_slow(send, server):
    release = threading.Event()

    def slow():
        release.wait()
        return b""

    try:
        with pytest.raises(StepFailed, match=r"no answer within 0.5 s"):
            send((200, {}, slow), timeout_sec=0.5, retries=1)
        assert len(server.requests) == 2
    finally:
        release.set()


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({"status": 201}, "expected status 201, found 200"),
        ({"status": ["3xx", 204]}, "expected status 3xx or 204, found 200"),
        ({"headers": {"X-State": "done"}}, "expected header X-State to be done, found open"),
        ({"headers": {"X-State": "/^d/"}}, "expected header X-State to be /^d/, found open"),
        ({"headers": {"X-None": "/./"}}, "expected header X-None, found none"),
        ({"json": {"items[0].id": 2}}, "expected items[0].id to be 2, found 1"),
        ({"json": {"ok": 1}}, "expected ok to be 1, found true"),
        ({"json": {"no.such": "x"}}, "expected no.such to be x, found "),
        ({"condition": "json.ok and status > 300"}, "expected json.ok and status > 300"),
        ({"condition": "json.items > 3"}, "json.items > 3"),
    ],
)
def test_expectations(send, expect, words):
    body = b'{"items": [{"id": 1}], "ok": true}'
    outcome = send((200, {**JSON, "X-State": "open"}, body), expect=expect)
    assert words in outcome.result.error
    assert outcome.result.outputs["status"] == 200


def test_expectations_that_hold(send):
    expect = {
        "status": ["4xx"],
        "headers": {"x-state": "/^op/"},
        "json": {"[0]": 1},
        "condition": "body == '[1]' and headers['x-state'] in ['open']",
    }
    assert send((404, {**JSON, "X-State": "open"}, b"[1]"), expect=expect).result.error is None


def test_a_body_that_is_no_json(send):
    outcome = send((200, JSON, b"<html>"), expect={"json": {"a": 1}})
    assert outcome.result.error.endswith("expected a JSON body, found none")
    assert outcome.result.outputs["body"] == "<html>"


def test_save(send, carry):
    body = bytes(range(256)) * 8192
    outcome = send((200, {}, body), save="sub/file.bin")
    assert (carry.cwd / "sub/file.bin").read_bytes() == body
    assert outcome.result.outputs["file"] == "sub/file.bin"
    assert "body" not in outcome.result.outputs
    send((500, {}, b"error"), save="sub/file.bin")
    assert (carry.cwd / "sub/file.bin").read_bytes() == body
    (carry.cwd / "plain").touch()
    with pytest.raises(StepFailed, match=r"save: .*Not a directory"):
        send((200, {}, b""), save="plain/file")


def test_long_bodies(send, carry):
    outcome = send((200, {}, b"x" * 3_000_000))
    assert len(outcome.result.outputs["body"]) == 1024 * 1024
    assert outcome.result.outputs["size"] == 3_000_000
    with pytest.raises(StepFailed, match="longer than max_bytes, 1,000"):
        send((200, {}, b"x" * 1001), max_bytes=1000, save="file")
    assert list(carry.cwd.iterdir()) == []


def test_redirects(send, server):
    script = [(302, {"Location": "/there"}, b""), (200, {}, b"here")]
    assert send(*script).result.outputs["body"] == "here"
    assert server.requests[1][1] == "/there"
    assert "found 302" in send(*script, follow_redirects=False).result.error


def test_secrets_of_the_request_are_in_no_message(carry, server):
    server.script = [(500, {}, b"")]
    url = server.url.replace("//", "//user:hunter2@") + "/p?token=hunter2"
    outcome = carry("http", url=url, headers={"Authorization": "hunter2"}, retries=0)
    assert "hunter2" not in outcome.result.error + outcome.out + outcome.err
    assert f"GET {server.url}/p?…: 500" in outcome.out
    with pytest.raises(StepFailed) as caught:
        carry("http", url=url, headers={"X-Key": "hunter2\r\nX: y"})
    assert "X-Key" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_cancel(carry, server):
    asked, release = threading.Event(), threading.Event()

    def slow():
        asked.set()
        release.wait()
        return b""

    server.script = [(200, {}, slow)]
    step = Step(id="s", step_def={"type": "http", "url": server.url, "save": "file"})

    async def main():
        task = asyncio.create_task(carry.run(step))
        await asyncio.to_thread(asked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    try:
        asyncio.run(main())
    finally:
        release.set()
    assert list(carry.cwd.iterdir()) == []


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"url": "ftp://host/"}, "expected http:// or https://, found 'ftp://host/'"),
        ({"url": "http://u:hunter2@[::1"}, "url: it cannot be read"),
        ({"url": "http://u:hun/ter2:hunter2@h/"}, "url: it cannot be read"),
        ({"url": "http://h:99999/"}, "url: it cannot be read"),
        ({"url": "http://h", "body": "a", "json": 1}, "found more"),
        ({"url": "http://h", "query": {"a": 1}, "params": {"a": 1}}, "expected one of them"),
        ({"url": "http://h", "timeout_sec": 0}, "timeout_sec: expected more than 0"),
        ({"url": "http://h", "retries": -1}, "retries: expected 0 or more"),
        ({"url": "http://h", "expect": {"status": "2x"}}, "expect.status: expected a status"),
        ({"url": "http://h", "expect": {"headers": {"a": "/(/"}}}, "not a regular expression"),
        ({"url": "http://h", "expect": {"json": {"a..b": 1}}}, "expect.json.a..b: "),
        ({"url": "http://h", "expect": {"condition": "f()"}}, "expect.condition: "),
    ],
)
def test_problems(carry, definition, words):
    (problem,) = carry.problems("http", **definition)
    assert words in problem
    assert "hunter2" not in problem


def test_the_client_is_not_imported_before_a_request_is_sent():
    import subprocess
    import sys

    code = "import sys, stoker.steps.http as m; print(m.KIND.name, 'httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "http False\n"


def test_json_output_round_trips(send):
    value = {"a": [1, 2.5, None, "ü"], "b": {"c": False}}
    assert send((200, JSON, json.dumps(value).encode())).result.outputs["json"] == value


def test_an_excerpt_of_the_answer_is_cut_after_its_secrets_are_masked(carry, server):
    server.script = [(403, {}, b"x" * 490 + carry.secret.encode())]
    outcome = carry("http", url=server.url)
    assert outcome.result.error.endswith("x" * 490 + "***")


def test_a_url_that_cannot_be_read_is_not_quoted(carry):
    with pytest.raises(StepFailed) as caught:
        carry("http", url="http://user:correct-horse@127.0.0.1/\x7f", retries=0)
    assert "InvalidURL: the URL cannot be read" in str(caught.value)


def test_a_header_field_that_cannot_be_sent_is_not_quoted(carry, server):
    with pytest.raises(StepFailed) as caught:
        carry("http", url=server.url, headers={"X-Key": " cörrect-horse"}, retries=0)
    assert "a header field cannot be sent as it is" in str(caught.value)
    assert "horse" not in str(caught.value)
