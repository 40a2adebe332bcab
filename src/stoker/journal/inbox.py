"""Waking another process's engine on this host: an empty datagram on an abstract socket.

A datagram carries nothing and may be lost or forged: it only means "look into the journal".
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Callable


def address(database: str, engine_id: str) -> str:
    """Name of an engine's socket. `database` is the real path of the journal."""
    digest = hashlib.sha256(f"{database}\0{engine_id}".encode(errors="surrogateescape"))
    return f"\0stoker/{digest.hexdigest()[:32]}"


class Inbox:
    """Calls `wake` in the event loop after datagrams to `name`, once for all that wait."""

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._socket = _datagram_socket()
        try:
            self._socket.bind(name)
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._socket, self._readable)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        try:
            while True:
                self._socket.recv(1)
        except BlockingIOError:
            self._wake()


class Outbox:
    """Sends wake-ups; its socket is made by the first."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def send(self, name: str) -> None:
        """Wake the engine that listens at `name`, if there is one."""
        if self._socket is None:
            self._socket = _datagram_socket()
        try:
            self._socket.sendto(b"", name)
        except (ConnectionRefusedError, FileNotFoundError, BlockingIOError):
            # Nobody listens, and whoever takes the run over reads the tables first; or
            # the queue is full of wake-ups already.
            return

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


def _datagram_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
