"""The built-in agent's way to its model's server: TLS, proxies, connections that are kept."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stoker.agents.builtin.http import Http, Unreachable
from stoker.agents.egress_main import Egress
from stoker.agents.hosts import Hosts

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of localhost, signed by itself; its key is beside it."""
    folder = tmp_path_factory.mktemp("tls")
    file = folder / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    words += ["-keyout", str(folder / "key.pem"), "-out", str(file)]
    subprocess.run(words, check=True, capture_output=True)
    yield file


@asynccontextmanager
async def listening(serve: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Server:
    """Answers each request with `answers` in turn, the last again and again."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers or (ANSWER,)
        self.heads: list[str] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                if "Content-Length: 5" in head:
                    assert await reader.readexactly(5) == b"asked"
                answer = self.answers[min(len(self.heads), len(self.answers) - 1)]
                self.heads.append(head)
                writer.write(answer)
                if not answer.startswith(b"HTTP/1.1 200") or b"Connection: close" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def ask(http: Http) -> tuple[int, bytes]:
    async with http.post(b"asked") as response:
        return response.status, b"".join([piece async for piece in response.body()])


def once(url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    async def go() -> tuple[int, bytes]:
        http = Http(url, headers or {}, seconds=5)
        try:
            return await ask(http)
        finally:
            http.close()

    return asyncio.run(go())


def test_a_connection_is_used_again_until_the_server_ends_it() -> None:
    closing = ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    server = Server(ANSWER, closing, ANSWER)

    async def go() -> list[bytes]:
        async with listening(server) as port:
            http = Http(f"http://127.0.0.1:{port}/v1?a=b", {"x-key": "k"}, seconds=5)
            found = [(await ask(http))[1] for _ in range(4)]
            http.close()
            return found

    assert asyncio.run(go()) == [b"done"] * 4
    assert server.connections == 2
    assert all(head.startswith("POST /v1?a=b HTTP/1.1\r\n") for head in server.heads)
    assert "x-key: k" in server.heads[0]


def test_one_that_the_server_has_ended_meanwhile_is_not_used() -> None:
    ended = asyncio.Event()
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"asked")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        ended.set()

    async def go() -> None:
        async with listening(serve) as port:
            http = Http(f"http://127.0.0.1:{port}/", {}, seconds=5)
            for _ in range(3):
                ended.clear()
                assert await ask(http) == (200, b"done")
                await ended.wait()
                (kept,) = http._kept
                await kept._reader.read()  # until its end is here
            http.close()

    asyncio.run(go())
    assert connections == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nbro", "peer closed"),
    ],
)
def test_what_breaks_off_or_is_no_http(answer: bytes, message: str) -> None:
    async def go() -> None:
        async with listening(Server(answer)) as port:
            http = Http(f"http://127.0.0.1:{port}/", {}, seconds=5)
            with pytest.raises(Unreachable, match=message):
                await ask(http)
            assert http._kept == []

    asyncio.run(go())


def test_an_answer_before_the_request_is_heard_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        await writer.drain()
        writer.close()

    async def go() -> None:
        async with (
            listening(serve) as port,
            Http(f"http://127.0.0.1:{port}/", {}, seconds=5).post(b"x" * 1000) as found,
        ):
            assert found.status == 413

    asyncio.run(go())


def test_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the certificates that the environment names, and not without them."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = Server()

    async def go(host: str) -> tuple[int, bytes]:
        async with listening(server, tls=context) as port:
            return await ask(Http(f"https://{host}:{port}/", {}, seconds=5))

    with pytest.raises(Unreachable, match="self-signed"):
        asyncio.run(go("localhost"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(Unreachable, match="not valid for"):
        asyncio.run(go("127.0.0.1"))
    assert asyncio.run(go("localhost")) == (200, b"done")
    assert len(server.heads) == 1


def test_tls_through_a_proxy(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the sandbox, which refuses what its list does not have."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Server()

    async def go() -> None:
        async with listening(server, tls=context) as port:
            egress = Egress(Hosts([f"localhost:{port}"]))
            async with listening(egress._serve) as proxy:
                monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy}")
                http = Http(f"https://localhost:{port}/", {}, seconds=5)
                assert [await ask(http) for _ in range(2)] == [(200, b"done")] * 2
                http.close()
                with pytest.raises(Unreachable, match="the proxy answers 403"):
                    await ask(Http("https://elsewhere.example/", {}, seconds=5))

    asyncio.run(go())
    assert server.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_told_who_asks(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Server(ANSWER if scheme == "http" else b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")

    async def go() -> None:
        async with listening(proxy) as port:
            monkeypatch.setenv("ALL_PROXY", f"http://me:s%40crt@127.0.0.1:{port}")
            http = Http(f"{scheme}://you:k@model.example/v1", {"x-key": "k"}, seconds=5)
            if scheme == "http":
                assert await ask(http) == (200, b"done")
            else:
                with pytest.raises(Unreachable, match="the proxy answers 407"):
                    await ask(http)
            http.close()

    asyncio.run(go())
    (head,) = proxy.heads
    assert "Proxy-Authorization: Basic bWU6c0BjcnQ=" in head
    if scheme == "http":
        assert head.startswith("POST http://model.example/v1 HTTP/1.1\r\n")
        assert "Authorization: Basic eW91Oms=" in head
        assert "Host: model.example\r\n" in head
    else:
        assert head.startswith("CONNECT model.example:443 HTTP/1.1\r\n")
        assert "x-key" not in head


@pytest.mark.parametrize("listed", ["*", "127.0.0.1", "other.example, 127.0.0.1:PORT"])
def test_what_no_proxy_names_is_asked_directly(
    listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()

    async def go() -> None:
        async with listening(server) as port:
            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
            monkeypatch.setenv("NO_PROXY", listed.replace("PORT", str(port)))
            assert await ask(Http(f"http://127.0.0.1:{port}/", {}, seconds=5)) == (200, b"done")

    asyncio.run(go())
    assert server.heads[0].startswith("POST / HTTP/1.1\r\n")


@pytest.mark.parametrize("url", ["ftp://a/b", "localhost:8080/v1", "http:///v1", "nothing"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL that begins with http:// or https://"):
        Http(url, {}, seconds=1)
