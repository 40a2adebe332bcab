"""What anybody may send to any route: the routes are the app's own, so a new one is tried, too."""

from __future__ import annotations

import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest
from repositories import git, script
from serving import Server, begin, events, wait_for
from tasking import asked
from tasking import begin as attempt

from stoker.server import app as module
from stoker.server.mcp import PATHS
from stoker.server.settings import Settings

ROUTES = module._litestar(Settings(directory=Path(), roots=()), module._no_service).routes
SOCKETS = sorted(one.path_format for one in ROUTES if type(one).__name__ == "WebSocketRoute")
REQUESTS = sorted(
    (one.path_format, method)
    for one in ROUTES
    if type(one).__name__ == "HTTPRoute"
    for method in one.methods - {"OPTIONS"}
) + [(path, "POST") for path in PATHS]
READ = [path for path, method in REQUESTS if method == "GET"]
OWN = 3
"""Tasks and descriptors that come and go with what the server does for itself. Each test makes
more connections than that."""
PASSED_ON = "/api/auth/github/device/"
"""Asks GitHub, whatever the body is."""
CHANGED = [
    (path, method)
    for path, method in REQUESTS
    if method != "GET" and not path.startswith(PASSED_ON)
]


class Hostile:
    """A server with a run and an attempt that go on, and raw connections to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        repository = server.directory / "repository"
        repository.mkdir()
        git(repository, "init", "-q", "-b", "main")
        git(repository, "config", "user.email", "dev@example.com")
        git(repository, "config", "user.name", "Dev")
        git(repository, "commit", "-q", "--allow-empty", "-m", "first")
        with server.client() as client:
            waits = {
                "id": "b",
                "depends_on": ["a"],
                "step_def": {"type": "approval", "prompt": "?"},
            }
            run = begin(client, {"id": "a", "run": "echo a"}, waits, run_id="known")
            events(client, run, until="attempt.settled")
            prompt = script({"run": "true", "ask": True})
            made = attempt(client, repository, prompt, variant="APPROVALS").json()
            key = made["attempt"]["attempt_id"]
            asked(client, key)
            found = client.get("/api/execution-processes", params={"task_attempt_id": key})
            process = found.json()["data"][-1]["id"]
            project = client.get("/v1/projects").json()["projects"][0]["project_id"]
        self.names = {
            **{"run_id": run, "step": "a", "number": 1, "output": "stdout", "plan_id": "p"},
            **{"attempt_id": key, "turn": 1, "kind": "follow_up", "process_id": process},
            **{"project_id": project, "project": project, "task_id": made["attempt"]["task_id"]},
        }
        self.query = f"?project_id={project}&task_attempt_id={key}&type=follow_up"
        host, port = server.url.removeprefix("http://").split(":")
        self.address = host, int(port)

    def path(self, route: str, **names: object) -> str:
        """The route with what is there; what is not said is not there."""
        found = {**self.names, **names}
        parts = [
            str(found.get(part[1:-1], "nothing")) if part.startswith("{") else part
            for part in route.split("/")
        ]
        return "/".join(parts)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)

    def ask(self, head: str, body: bytes = b"") -> bytes:
        """All that is answered."""
        with self.connect() as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(head.encode("latin-1") + body)
            return rest(connection)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        told = {"Host": "localhost", "Connection": "close", **headers}
        if body:
            told["Content-Length"] = str(len(body))
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
        return self.ask(f"{method} {path} HTTP/1.1\r\n{lines}\r\n", body)

    def handshake(self, path: str, **changes: str | None) -> str:
        told: dict[str, str | None] = {
            "Host": "localhost",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec_WebSocket_Version": "13",
            **changes,
        }
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in told.items() if value]
        return "\r\n".join([f"GET {path}{self.query} HTTP/1.1", *lines, "", ""])

    def held(self) -> tuple[list[str], list[str]]:
        """What the server has: tasks and descriptors."""
        file = self.server.directory / "counted"
        file.unlink(missing_ok=True)
        self.server.process.send_signal(signal.SIGUSR1)
        wait_for(file)
        descriptors = []
        for one in Path(f"/proc/{self.server.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                descriptors.append(str(one.readlink()))
        return file.read_text().splitlines(), descriptors


def rest(connection: socket.socket) -> bytes:
    """All up to the end, which must come."""
    told = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65536):
            told += data
    return told


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"), "--rate", "0")
    server.program = [str(Path(__file__).with_name("counted_server.py"))]
    with server:
        yield Hostile(server)
        assert "request failed" not in server.log
        assert "Traceback" not in server.log


@pytest.fixture
def unharmed(hostile):
    """Afterwards the server is as it was before."""
    before = hostile.held()
    yield hostile
    deadline = time.monotonic() + 30
    while any(len(now) > len(then) + OWN for now, then in zip(hostile.held(), before, strict=True)):
        assert time.monotonic() < deadline, f"{before}\n{hostile.held()}"
        time.sleep(0.05)
    with hostile.server.client() as client:
        assert client.get("/readyz").status_code == 200
        assert "stoker_streams 0.0\n" in client.get("/metrics").text


def frame(code: int, payload: bytes = b"", *, first: int = 0x80, mask: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first | code, size | mask << 7)
    else:
        head = struct.pack("!BBQ", first | code, 127 | mask << 7, size)
    return head + b"\0\0\0\0" * mask + payload


PART = frame(1, b"x", first=0)
MALFORMED = {
    "reserved bits": frame(1, b"x", first=0xF0),
    "compressed": frame(1, b"x", first=0xC0),
    "an opcode": frame(3, b"x"),
    "a control opcode": frame(11, b"x"),
    "not masked": frame(1, b"x", mask=False),
    "not UTF-8": frame(1, b"\xff\xfe"),
    "oversized": frame(2, b"x" * 65537),
    "endless": struct.pack("!BBQ", 0x82, 0xFF, 2**63 - 1),
    "longer than there are numbers": struct.pack("!BBQ", 0x82, 0xFF, 2**64 - 1),
    "goes on with nothing": frame(0, b"x"),
    "begins in the middle": PART + frame(1, b"x"),
    "too many parts": PART + frame(0, b"x" * 30000, first=0) * 3,
    "empty parts": PART + frame(0, first=0) * 100_000,
    "a part of a ping": frame(9, first=0),
    "a long ping": frame(9, b"x" * 126),
    "half a code": frame(8, b"x"),
    "no code": frame(8, struct.pack("!H", 999)),
    "a reason that is no text": frame(8, struct.pack("!H", 1000) + b"\xff"),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("route", SOCKETS)
def test_malformed_frames_end_a_socket_and_nothing_else(unharmed, route):
    for what, data in MALFORMED.items():
        with unharmed.connect() as connection:
            connection.sendall(unharmed.handshake(unharmed.path(route)).encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 101"), route
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
            try:
                rest(connection)
            except TimeoutError:
                pytest.fail(f"still open after: {what}")
    with unharmed.connect() as connection:  # in the middle of a frame, and gone
        connection.sendall(unharmed.handshake(unharmed.path(route)).encode() + b"\x81")


@pytest.mark.parametrize("route", SOCKETS)
def test_handshakes_that_are_none_are_refused(unharmed, route):
    path = unharmed.path(route)
    wrong = (
        {"Sec_WebSocket_Key": None},
        {"Sec_WebSocket_Key": "short"},
        {"Sec_WebSocket_Version": "12"},
        {"Sec_WebSocket_Version": None},
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Authorization": "Bearer wrong"},
        {"Sec_WebSocket_Protocol": "stoker.token.wrong"},
        {"X_Forwarded_For": "192.0.2.1"},
    )
    for changes in wrong:
        assert 400 <= status(unharmed.ask(unharmed.handshake(path, **changes))) < 500, changes
    for method in ("POST", "DELETE"):
        answer = unharmed.ask(unharmed.handshake(path).replace("GET", method, 1))
        assert 400 <= status(answer) < 500
    assert status(unharmed.request("GET", path)) in (404, 405)
    whole = unharmed.handshake(path)
    for size in (1, 30, len(whole) - 2):
        assert unharmed.ask(whole[:size]) == b""  # closed when it has had its time


@pytest.mark.parametrize(("route", "method"), REQUESTS)
def test_pages_of_other_sites_get_nothing(unharmed, route, method):
    path = unharmed.path(route)
    assert status(unharmed.request(method, path, Host="evil.example")) == 421
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        assert status(unharmed.request(method, path, Origin=origin)) == 403


ELSEWHERE = (
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "..%5c..",
    "%00",
    "%ff",
    "a" * 9000,
    "%0d%0aX:%20y",
)


@pytest.mark.parametrize("route", [route for route in READ if "{" in route])
def test_names_lead_nowhere(unharmed, route):
    parameters = [part[1:-1] for part in route.split("/") if part.startswith("{")]
    for parameter in parameters:
        for name in ELSEWHERE if parameter != "project" else ():  # which says nothing there
            path = unharmed.path(route, **{parameter: name})
            answer = unharmed.request("GET", path + unharmed.query)
            assert 400 <= status(answer) < 500 or b'"success":false' in answer, (path, answer)
            assert b"root:" not in answer
            assert b"\r\nX:" not in answer.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("route", READ)
def test_streams_whose_reader_goes_are_over(unharmed, route):
    head = f"GET {unharmed.path(route)}{unharmed.query} HTTP/1.1\r\nHost: localhost\r\n"
    for _ in range(2 * OWN):
        with unharmed.connect() as connection:
            connection.sendall(f"{head}Accept: text/event-stream\r\n\r\n".encode())
            assert status(connection.recv(65536)) < 500


BODIES = (
    *(b"{", b'{"a": NaN}', b"\xff", b'"x"', b"[]", b"null", b"[" * 100_000, b'{"a":"\\ud800"}'),
    *(b'{"a":1e999999}', b"1" * 100_000, b'{"a":1,"a":2}', b"{}\0"),
)
NAMED = b'--b\r\nContent-Disposition: form-data; name="image"'
END = b"\r\n--b--\r\n"
PARTS = (
    *(b"", b"--b", b"--b\r\n", b"--b--\r\n", b"--b\r\n\r\n\r\n--b--\r\n", b"--c\r\n\r\nx\r\n--c--"),
    NAMED + b'; filename="../../x.png"\r\n\r\nx' + END,
    NAMED + b"\r\n" + b"X: y\r\n" * 5000 + b"\r\nx" + END,
    b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n" * 2000,
    NAMED + b'; filename="\xff\0"\r\n\r\n\xff' + END,
)


@pytest.mark.parametrize(("route", "method"), CHANGED)
def test_bodies_that_are_none_are_refused(unharmed, route, method):
    nobody = {**dict.fromkeys(unharmed.names, "nothing"), "turn": 1, "number": 1}
    path = unharmed.path(route, **nobody)
    free = "{" not in route  # else it is for what is not there
    for body in BODIES:
        told = status(unharmed.request(method, path, body, Content_Type="application/json"))
        assert told < 500, body[:20]
        assert told >= 400 or free, body[:20]
    for body in PARTS:
        for kind in ("multipart/form-data; boundary=b", "multipart/form-data", "multipart/; b=;;"):
            told = status(unharmed.request(method, path, body, Content_Type=kind))
            assert told < 500, body[:60]
            assert told >= 400 or not body, body[:60]
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += "Content-Type: application/json\r\n"
    for more, body in (
        (f"Content-Length: {2**40}", b"{"),
        ("Content-Length: -1", b""),
        ("Transfer-Encoding: chunked", b"zz\r\n"),
    ):
        told = status(unharmed.ask(f"{head}{more}\r\n\r\n", body))
        assert (200 if free else 400) <= told < 500, more
    with unharmed.connect() as connection:
        connection.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())  # and is gone


def test_it_is_all_of_them():
    assert len(SOCKETS) >= 11
    assert {"/v1/runs", "/api/projects"} < {path for path, _ in REQUESTS}
    assert ("/mcp", "POST") in REQUESTS
