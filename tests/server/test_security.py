"""Who gets in, and what nobody gets out."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import stat
import subprocess
import sys
import time

import httpx
import pytest
import uvicorn
from imported import TELL, of_chains
from serving import Server, begin, events, outcome, problem
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from stoker.server.rate import RateLimit
from stoker.server.settings import BadSettings, Settings
from stoker.server.tokens import BadToken, Tokens

HELLO = {"id": "hello", "run": "echo hello"}


def raw(server, text: str) -> bytes:
    """The beginning of what the server answers to these bytes."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(text.encode("latin-1"))
        return connection.recv(65536)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_only_what_is_safe_is_served(tmp_path):
    def settings(**fields):
        return Settings(directory=tmp_path, roots=(tmp_path,), **fields)

    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        settings(host=host).check(has_tokens=False)
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(BadSettings, match="token is needed"):
            settings(host=host).check(has_tokens=False)
        with pytest.raises(BadSettings, match="--tls-cert"):
            settings(host=host).check(has_tokens=True)
        settings(host=host, insecure_http=True).check(has_tokens=True)
        settings(host=host, certificate="c", key="k").check(has_tokens=True)
    with pytest.raises(BadSettings, match="called by others"):
        settings(hosts=("stoker.example",)).check(has_tokens=False)
    settings(hosts=("stoker.example",)).check(has_tokens=True)
    with pytest.raises(BadSettings, match="go together"):
        settings(certificate="c").check(has_tokens=True)
    assert Settings(directory=tmp_path, roots=()).loopback


def test_the_command_refuses_an_open_address_and_one_that_is_taken(shared, tmp_path):
    here = Server(tmp_path)
    refused = here.stoker("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "a token is needed" in refused.stderr
    here.stoker("serve", "token", "create", "--scope", "admin", "--name", "me")
    refused = here.stoker("serve", "--host", "0.0.0.0", "--port", "0")
    assert "--insecure-http" in refused.stderr
    taken = here.stoker("serve", "--port", shared.url.rpartition(":")[2])
    assert (taken.returncode, "Address already in use" in taken.stderr) == (2, True)


def test_a_server_without_tokens_warns(tmp_path):
    here = Server(tmp_path)
    with here:
        assert "everybody on this machine, but for agents" in here.log
    here.stoker("serve", "token", "create", "--scope", "admin", "--name", "me")
    (tmp_path / "server.log").unlink()
    with here:
        assert "everybody" not in here.log


def test_tokens_are_kept_as_digests_and_told_once(tmp_path):
    tokens = Tokens(tmp_path)
    text = tokens.create("me", "run")
    file = tmp_path / "tokens.json"
    assert text not in file.read_text()
    assert text.split("_", 2)[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = Tokens(tmp_path)
    token = other.check(text)
    assert (token.name, token.scope) == ("me", "run")
    assert [token.allows(scope) for scope in ("read", "run", "admin")] == [True, True, False]
    for wrong in ("", "stk", "stk_", text[:-1], text + "x", "x" + text, text.replace("stk_", "_")):
        assert other.check(wrong) is None
    with pytest.raises(BadToken, match="already"):
        tokens.create("me", "read")
    tokens.revoke("me")
    assert other.check(text) is None  # at once, also elsewhere
    with pytest.raises(BadToken, match="no token 'me'"):
        tokens.revoke("me")


def test_a_token_lets_in_as_far_as_its_scope(serve):
    server = serve()
    made = {}
    with server.client() as client:
        assert client.get("/v1/runs").status_code == 200  # nobody has a token yet
        for scope in ("read", "run", "admin"):
            words = ("serve", "token", "create", "--scope", scope, "--name", f"a-{scope}")
            done = server.stoker(*words)
            made[scope] = done.stdout.strip()
            assert "not shown again" in done.stderr
        told = problem(client.get("/v1/runs"), 401, "no-token")
        assert "Bearer" in told["detail"]
        assert client.get("/v1/runs").headers["www-authenticate"] == "Bearer"
        problem(client.get("/nope"), 401, "no-token")
        problem(client.get("/openapi.json"), 401, "no-token")
        problem(client.get("/v1/runs", headers=bearer("x")), 401, "no-token")
        assert client.get("/healthz").status_code == 200
        plan = {"plan": {"plan_id": "p", "steps": [HELLO]}}
        assert client.get("/v1/runs", headers=bearer(made["read"])).status_code == 200
        problem(client.post("/v1/runs", json=plan, headers=bearer(made["read"])), 403, "scope")
        answer = client.post("/v1/runs", json=plan, headers=bearer(made["run"]))
        run = f"/v1/runs/{answer.json()['run_id']}"
        client.headers = bearer(made["run"])
        outcome(client, answer.json()["run_id"])
        problem(client.delete(run), 403, "scope")
        assert client.delete(run, headers=bearer(made["admin"])).status_code == 204
        listed = server.stoker("serve", "token", "list").stdout
        assert [line.split()[1] for line in listed.splitlines()] == ["read", "run", "admin"]
        assert server.stoker("serve", "token", "revoke", "a-run").returncode == 0
        problem(client.get("/v1/runs"), 401, "no-token")
        assert server.stoker("serve", "token", "revoke", "a-run").returncode == 2

    async def listen(**options):
        url = server.ws + "/v1/events/ws"
        async with connect(url, proxy=None, **options) as connection:
            return connection.subprotocol

    with pytest.raises(InvalidStatus) as caught:
        asyncio.run(listen())
    assert caught.value.response.status_code == 401
    assert asyncio.run(listen(additional_headers=bearer(made["read"]))) is None
    # As a page has to do it; the token is not sent back.
    offered = ["stoker.v1", f"stoker.token.{made['read']}"]
    assert asyncio.run(listen(subprotocols=offered)) == "stoker.v1"
    for token in made.values():
        assert token not in server.log
        assert token.split("_", 2)[2] not in server.log


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost@evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),  # another server of this machine
        ({"Host": "localhost"}, 200),
        ({"Host": "LocalHost:99"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "localhost:99", "Origin": "http://localhost:99"}, 200),
    ],
)
def test_a_page_of_another_site_gets_nothing(shared, headers, status):
    with shared.client() as client:
        assert client.get("/v1/runs", headers=headers).status_code == status
        sent = client.post("/v1/runs", headers=headers, json={})
        assert sent.status_code == (422 if status == 200 else status)

    async def listen():
        place = shared.url.removeprefix("http://")
        origin = headers.get("Origin")
        more = {} if origin is None else {"Origin": origin}
        url = f"ws://{headers.get('Host') or place}/v1/events/ws"
        if "@" in url:
            return status
        connection = socket.create_connection(place.split(":"))
        try:
            async with connect(url, sock=connection, proxy=None, additional_headers=more):
                return 200
        except InvalidStatus as error:
            return error.response.status_code

    if headers.get("Host") != "":
        assert asyncio.run(listen()) == status


def test_what_comes_through_a_proxy_is_not_taken_for_local(api):
    for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"):
        problem(api.get("/v1/runs", headers={name: "192.0.2.1"}), 401, "no-token")


def test_a_host_that_was_allowed_is_served(serve, tmp_path):
    (tmp_path / ".stoker").mkdir()
    token = Tokens(tmp_path / ".stoker").create("me", "read")
    server = serve("--allow-host", "Stoker.example")
    with server.client(headers=bearer(token)) as client:
        named = {"Host": "stoker.example", "Origin": "https://stoker.example"}
        assert client.get("/v1/runs", headers=named).status_code == 200
        problem(client.get("/v1/runs", headers={"Host": "other.example"}), 421, "wrong-host")


def test_a_form_cannot_be_posted(shared, api):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        headers = {"Content-Type": kind} if kind else {}
        answer = api.post("/v1/runs", content=b"{}", headers=headers)
        problem(answer, 415, "")


def test_a_header_that_decides_comes_once(shared):
    for name in ("Host: localhost", "Authorization: Bearer x", "Origin: http://localhost"):
        text = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\n{name}\r\n{name}\r\n\r\n"
        assert raw(shared, text).startswith(b"HTTP/1.1 400")


def test_too_much_is_refused_and_the_server_goes_on(shared, api):
    limit = 16 * 1024 * 1024
    head = "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    assert raw(shared, f"{head}Content-Length: {limit + 1}\r\n\r\n").startswith(b"HTTP/1.1 413")

    def endless():
        for _ in range(limit // 65536 + 2):
            yield b" " * 65536

    try:
        answer = api.post(
            "/v1/runs", content=endless(), headers={"Content-Type": "application/json"}
        )
        problem(answer, 413, "")
    except httpx.WriteError:
        pass  # the answer came before everything was sent
    for size, status in ((40_000, b"431"), (200_000, b"4")):
        long = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {'x' * size}\r\n\r\n"
        assert raw(shared, long).startswith(b"HTTP/1.1 " + status)
    problem(api.get("/v1/runs", params={"cursor": "x" * 20_000}), 414, "")
    assert raw(shared, "nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")
    deep = b'{"plan": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = api.post("/v1/runs", content=deep, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    raw_half = f"{head}Content-Length: 9\r\n\r\n{{"
    host, port = shared.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(raw_half.encode())  # and is gone
    for bad in (b"", b"{", b'{"plan": NaN}', b"\xff", b'"x"', b"[]", b"null"):
        answer = api.post("/v1/runs", content=bad, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), bad
        assert answer.headers["content-type"] == "application/problem+json"
    assert api.get("/healthz").status_code == 200
    assert "request failed" not in shared.log


def test_a_connection_that_asks_nothing_is_closed(monkeypatch):
    from stoker.server import serve

    monkeypatch.setattr(serve, "_HEADERS_SEC", 0.01)

    async def app(scope, receive, send):
        raise AssertionError("nothing was asked")

    async def main():
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        config.load()
        state = uvicorn.server.ServerState()
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: serve._Protocol(config, state, {}), "127.0.0.1", 0
        )
        place = listener.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert await reader.read() == b""
        writer.close()
        listener.close()

    asyncio.run(main())


def test_who_asks_too_often_has_to_wait(serve):
    now = [0.0]
    limit = RateLimit(2, clock=lambda: now[0])
    assert [limit.wait_sec("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert limit.wait_sec("b") == 0
    now[0] = 0.5
    assert [limit.wait_sec("a") for _ in range(2)] == [0, 0.5]
    assert all(RateLimit(0).wait_sec("a") == 0 for _ in range(10))
    server = serve("--rate", "1")
    with server.client() as client:
        answers = [client.get("/healthz") for _ in range(4)]
        problem(answers[-1], 429, "too-many-requests")
        assert int(answers[-1].headers["retry-after"]) >= 1


def test_files_outside_the_roots_are_not_there(serve, tmp_path):
    (tmp_path / "secret.yaml").write_text("plan_id: hunter2\nsteps: []\n")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (root / "dir").symlink_to(tmp_path)
    outside = ["/etc/passwd", "../secret.yaml", "x/../../secret.yaml", "link.yaml"]
    plan = {"plan_id": "p", "steps": [HELLO]}
    server = serve(directory=root)
    with server.client() as client:
        for url in ("/v1/runs", "/v1/plans:validate"):
            for path in (*outside, "dir/secret.yaml", "a\0b", "../nope", "~/x\0"):
                answer = client.post(url, json={"path": path})
                problem(answer, 403, "outside-roots")
                assert "hunter2" not in answer.text
            problem(client.post(url, json={"plan": plan, "cwd": ".."}), 403, "outside-roots")
        problem(client.post("/v1/runs", json={"path": "nope.yaml"}), 404, "not-found")
        for url in ("/v1/runs/..%2f..%2fetc", "/v1/runs/%2e%2e/events", "/../../etc/passwd"):
            assert client.get(url).status_code == 404


def test_secrets_are_nowhere(serve):
    server = serve()
    secret = "hunter2-correct-horse"
    plan = {
        "plan_id": "s",
        "inputs": {"token": {"secret": True, "required": True}},
        "steps": [
            {"id": "a", "run": "echo $T; exit 3", "env": {"T": "${{ inputs.token }}"}},
        ],
    }
    with server.client() as client:
        answer = client.post("/v1/runs", json={"plan": plan, "inputs": {"token": secret}})
        run_id = answer.json()["run_id"]
        assert outcome(client, run_id) == "failed"
        told = [
            answer.text,
            client.get(f"/v1/runs/{run_id}").text,
            json.dumps(events(client, run_id)),
            client.get(f"/v1/runs/{run_id}/steps/a/attempts/1/logs/stdout").text,
        ]
        assert "***" in told[-1]
        wrong = {"token": secret, "other": secret}
        told.append(client.post("/v1/runs", json={"plan": plan, "inputs": wrong}).text)
        told.append(client.post("/v1/runs", json={"plan": plan, "inputs": [secret]}).text)
        told.append(client.get("/v1/runs", params={"cursor": secret}).text)
        told += [server.log, client.get("/metrics").text]
    assert not [text for text in told if secret in text]
    assert server.stop() == 0
    assert secret not in server.log
    for file in (server.directory / ".stoker").rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


def test_every_answer_has_the_headers_that_keep_a_browser_in(api):
    for path in ("/healthz", "/nope", "/v1/runs", "/openapi.json", "/openapi/swagger"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
    assert api.get("/openapi/swagger").status_code == 404  # unless asked for


def test_tls(serve, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    more = ("-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    subprocess.run(["openssl", *words, *more, *names], check=True, capture_output=True)
    server = serve("--tls-cert", str(certificate), "--tls-key", str(key))
    context = ssl.create_default_context(cafile=str(certificate))
    with server.client(verify=context) as client:
        answer = client.get("/healthz")
        assert answer.status_code == 200
        assert "max-age" in answer.headers["strict-transport-security"]

    async def listen():
        async with connect(server.ws + "/v1/events/ws", ssl=context, proxy=None):
            return True

    assert asyncio.run(listen())


def test_nothing_but_serve_imports_the_framework():
    code = (
        "import sys, stoker, stoker.api, stoker.cli.main, stoker.cli.run, stoker.cli.serve\n"
        "print([m for m in ('litestar', 'uvicorn', 'websockets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_server_whose_plans_have_no_groups_imports_nothing_of_chains(tmp_path):
    server = Server(tmp_path, "--rate", "0")
    server.environment |= TELL
    with server, server.client() as client:
        run_id = begin(client, {"id": "a", "command": "true"})
        assert outcome(client, run_id) == "succeeded"
        for path in ("/metrics", "/openapi.json", "/v1/runs"):
            assert client.get(path).status_code == 200, path
        assert server.stop() == 0
    assert of_chains(server.log) == set()


def test_a_connection_outlasts_the_keeping_of_clients(shared):
    """Who sends something as the server closes the connection cannot know whether it arrived."""
    connection = http.client.HTTPConnection(shared.url.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        for pause in (0, httpx.Limits().keepalive_expiry + 1):
            time.sleep(pause)
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b'{"status":"ok"}'


def test_a_step_begun_over_http_says_who_asked(serve):
    server = serve()
    token = server.stoker("serve", "token", "create", "--scope", "run", "--name", "ci").stdout
    with server.client(headers=bearer(token.strip())) as client:
        run_id = begin(client, {"id": "ask", "step_def": {"type": "approval", "prompt": "?"}})
        client.post(f"/v1/runs/{run_id}/cancel")
        assert outcome(client, run_id) == "canceled"
        assert client.get(f"/v1/runs/{run_id}").json()["reason"] == "canceled by api:ci"
