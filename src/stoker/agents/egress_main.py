"""Beside a sandboxed agent: runs it, and is its only way to the network.

    python -I -S egress_main.py HOSTS COMMAND...

HOSTS is the list of its profile, as JSON. COMMAND ends up in `confine_main`, which hands over
sockets that listen inside the sandbox: an HTTP proxy, which lets through what is listed, and
the listed ports of this machine. Lives as long as the command, and ends as it ends.
Standard library only.
"""

# ruff: noqa: PTH120
from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import sys
from urllib.parse import urlsplit

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from stoker.agents.hosts import Hosts, split
else:
    from hosts import Hosts, split

HANDOVER: Final = 3
"""Descriptor of the command's end of the socket."""
_HEAD_SEC: Final = 30.0
_CONNECT_SEC: Final = 20.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PIECE: Final = 65536


class Refused(Exception):
    """The list does not let it through."""


class Egress:
    """The proxy, and the ports that are passed on."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._told: set[str] = set()

    async def listen(self, proxy: socket.socket, *local: socket.socket) -> None:
        """Serve from now on; `local` as `Hosts.local`."""
        await asyncio.start_server(self._serve, sock=proxy)
        for listening, (port, host) in zip(local, self._hosts.local.items(), strict=False):
            await asyncio.start_server(self._passing(host, port), sock=listening)

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a part of the name is empty or too long
            raise OSError(str(error)) from error
        return [str(one[4][0]) for one in found]

    def _passing(self, host: str, port: int) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = await asyncio.open_connection(host, port)
            except OSError:
                writer.close()
                return
            await _join((reader, writer), there)

        return serve

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_SEC):
                head = await reader.readuntil(b"\r\n\r\n")
            method, target, version = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
            host, port, first = _asked(method, target, version, head)
        except (ValueError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _answer(writer, "400 Bad Request", "not a request to a proxy")
            return
        try:
            there = await self._connect(host, port)
        except Refused as error:
            self._tell(str(error))
            await _answer(writer, "403 Forbidden", str(error))
            return
        except OSError as error:
            await _answer(writer, "502 Bad Gateway", f"{host}:{port}: {error.strerror or error}")
            return
        if first:
            there[1].write(first)
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _join((reader, writer), there)

    async def _connect(self, host: str, port: int) -> Stream:
        """Raises `Refused`, `OSError`. What was looked at is what is connected to: the name
        is asked for once."""
        if not self._hosts.names(host, port):
            raise Refused(f"{host}:{port} is not in the list of its profile")
        found = await self.resolve(host, port)
        allowed = [one for one in found if self._hosts.leads(one, port)]
        if not allowed:
            raise Refused(f"{host}:{port} leads to {found[0]}, which is not listed")
        for last, address in zip(range(len(allowed) - 1, -1, -1), allowed, strict=True):
            try:
                async with asyncio.timeout(_CONNECT_SEC):
                    return await asyncio.open_connection(address, port)
            except (OSError, TimeoutError) as error:
                if not last:
                    raise OSError(str(error) or "no answer") from error
        raise AssertionError("the last address returns or raises")

    def _tell(self, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            sys.stderr.write(f"stoker: the sandbox refused a connection: {why}\n")
            sys.stderr.flush()


def _asked(method: str, target: str, version: str, head: bytes) -> tuple[str, int, bytes]:
    """Host and port, and what to say there before all else. Raises `ValueError`."""
    if method == "CONNECT":
        host, port = split(target)
        if port is None:
            raise ValueError("no port")
        return host, port, b""
    url = urlsplit(target)
    if url.scheme != "http" or not url.hostname:
        raise ValueError("no URL")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    authority = url.netloc.rpartition("@")[2]
    lines = [f"{method} {path} {version}".encode("latin-1"), b"Host: " + authority.encode()]
    for line in head.split(b"\r\n")[1:-2]:
        name = line.partition(b":")[0].strip().lower()
        if name not in (b"host", b"connection", b"keep-alive") and not name.startswith(b"proxy-"):
            lines.append(line)
    # The next request may be for another host, and is to be looked at.
    return url.hostname, url.port or 80, b"\r\n".join([*lines, b"Connection: close", b"", b""])


async def _answer(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    text = f"stoker: {why}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    try:
        writer.write(head.encode() + text)
        await writer.drain()
    except OSError:
        pass  # it does not listen any more
    writer.close()


async def _join(here: Stream, there: Stream) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pipe(here[0], there[1]))
            group.create_task(_pipe(there[0], here[1]))
    finally:
        here[1].close()
        there[1].close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()  # the other direction ends of it, too


if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def main(entries: str, command: list[str]) -> int:
    """Run the command; returns its exit code, 128 + N for signal N."""
    hosts = Hosts(json.loads(entries))
    ours, theirs = socket.socketpair()
    given = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, HANDOVER + 1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # They are for the command.
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, given, HANDOVER)],
        setsigdef=_SIGNALS,
    )
    theirs.close()
    os.close(given)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    _, descriptors, _, _ = socket.recv_fds(ours, 16, 64)
    ours.close()
    listening = [socket.socket(fileno=one) for one in descriptors]
    if listening:  # else it has ended before
        asyncio.run(_accompany(pid, Egress(hosts), listening))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


async def _accompany(pid: int, egress: Egress, listening: list[socket.socket]) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(os.pidfd_open(pid), over.set)
    await egress.listen(*listening)
    await over.wait()


if __name__ == "__main__":
    status = main(sys.argv[1], sys.argv[2:])
    sys.stderr.flush()
    os._exit(status)
