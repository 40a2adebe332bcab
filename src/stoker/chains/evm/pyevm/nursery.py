"""Where workers come from: one process that has everything imported, and forks itself."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress
from typing import Final

from stoker.chains.errors import ChainError
from stoker.chains.evm.pyevm import wire

_MODULE: Final = "stoker.chains.evm.pyevm.worker"
_PASSED: Final = ("PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
"""Of the environment; workers get nothing else of it, for it may hold secrets."""


class Nursery:
    """Started when the first worker is asked for. Of one event loop."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._turn = asyncio.Lock()

    async def fork(self) -> tuple[int, socket.socket]:
        """A worker's id, and the socket it serves. Raises `ChainError`."""
        async with self._turn:
            for _ in range(2):  # the second time in a new one, if the first has died meanwhile
                control = self._control or await self._start()
                ours, theirs = socket.socketpair()
                try:
                    pid = await self._ask(control, theirs)
                finally:
                    theirs.close()
                if pid is not None:
                    return pid, ours
                ours.close()
                await self._stop()
        raise ChainError("processes that run EVM code cannot be started")

    def end(self, pid: int) -> None:
        """Kill a worker, whatever it is at."""
        if self._control is not None:
            with suppress(OSError):
                self._control.send(wire.COMMAND.pack(wire.KILL, pid))

    async def close(self) -> None:
        """All workers end, too."""
        async with self._turn:
            await self._stop()

    async def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _MODULE),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        finally:
            theirs.close()
        ours.setblocking(False)
        self._control = ours
        return ours

    async def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                async with asyncio.timeout(5):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
            self._process = None

    async def _ask(self, control: socket.socket, descriptor: socket.socket) -> int | None:
        loop = asyncio.get_running_loop()
        answer = b""
        try:
            command = wire.COMMAND.pack(wire.FORK, 0)
            socket.send_fds(control, [command], [descriptor.fileno()])
            while len(answer) < wire.COMMAND.size:
                part = await loop.sock_recv(control, wire.COMMAND.size - len(answer))
                if not part:
                    return None
                answer += part
        except OSError:
            return None
        pid: int = wire.COMMAND.unpack(answer)[1]
        return pid
