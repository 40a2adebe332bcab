"""The engine in worker processes: `open_pyevm`."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from stoker.chains.errors import ChainError, LimitReached, ScriptRefused
from stoker.chains.evm.job import Capture, CaptureJob, Limits, Replay, ReplayJob
from stoker.chains.evm.pyevm import wire
from stoker.chains.evm.pyevm.foresight import foresee_capture, foresee_replay
from stoker.chains.evm.pyevm.nursery import Nursery
from stoker.chains.state.remote import Remote

_GRACE: Final = 2.0
"""Seconds after which a worker that should have ended its job itself is killed."""
_GROWN: Final = 512 << 20
"""Bytes of memory at which a worker is replaced by a new one."""
_DIED: Final = "the process that ran EVM code has died"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
Foresight = Callable[[], Awaitable[None]]

_ENDS: Final = (wire.DONE, wire.REFUSED, wire.LIMITED, wire.BROKEN)


@asynccontextmanager
async def open_pyevm(remote: Remote, *, workers: int = 0) -> AsyncIterator[PyEvm]:
    """An engine that lasts as long as the block. `workers`: how many jobs run at once; 0: as many
    as there are processors. Processes are started when they are needed; `warm` does it ahead."""
    engine = PyEvm(remote, workers or len(os.sched_getaffinity(0)))
    try:
        yield engine
    finally:
        await engine.close()


class PyEvm:
    """`Capturing` and `Replaying`, for all plans of one event loop."""

    def __init__(self, remote: Remote, workers: int) -> None:
        self._remote = remote
        self._free = asyncio.Semaphore(workers)
        self._idle: list[_Worker] = []
        self._nursery = Nursery()
        self._closed = False

    async def warm(self) -> None:
        """Have a worker ready. Raises `ChainError`."""
        async with self._free:
            self._idle.append(await self._take())

    async def close(self) -> None:
        """Nothing outlives it."""
        self._closed = True
        for worker in self._idle:
            worker.close()
        self._idle.clear()
        await self._nursery.close()

    async def capture(self, job: CaptureJob) -> Capture:
        """Raises `ScriptRefused`, `LimitReached`, `RpcError`."""
        answer = await self._run(wire.CAPTURE, job, lambda: foresee_capture(self._remote, job))
        return msgspec.json.decode(answer, type=Capture)

    async def replay(self, job: ReplayJob) -> Replay:
        """Raises `LimitReached`, `RpcError`."""
        answer = await self._run(wire.REPLAY, job, lambda: foresee_replay(self._remote, job))
        return msgspec.json.decode(answer, type=Replay)

    async def _run(self, tag: bytes, job: CaptureJob | ReplayJob, foresight: Foresight) -> bytes:
        async with self._free:
            worker = await self._take()
            well = False
            try:
                ended, answer = await _Talk(self._remote, worker, job.limits, foresight).run(
                    tag, job
                )
                well = ended in (wire.DONE, wire.REFUSED) and worker.size() < _GROWN
            finally:
                if well and not self._closed:
                    self._idle.append(worker)
                else:
                    worker.close()
                    self._nursery.end(worker.pid)
        if ended == wire.DONE:
            return answer
        why = answer.decode()
        if ended == wire.REFUSED:
            raise ScriptRefused(why)
        if ended == wire.LIMITED:
            raise LimitReached(why)
        raise ChainError(f"the process that ran EVM code failed: {why}")

    async def _take(self) -> _Worker:
        if self._closed:
            raise ChainError("the engine is closed")
        while self._idle:
            worker = self._idle.pop()
            if not worker.gone:
                return worker
            worker.close()
        pid, connection = await self._nursery.fork()
        return await _Worker.open(pid, connection)


class _Worker:
    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, pid: int, connection: socket.socket) -> _Worker:
        return cls(pid, *await asyncio.open_connection(sock=connection))

    @property
    def gone(self) -> bool:
        return self._reader.at_eof()

    def size(self) -> int:
        """Bytes of memory that it takes."""
        try:
            text = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii")
        except OSError:
            return _GROWN
        return int(text.split()[1]) * _PAGE

    async def send(self, tag: bytes, payload: bytes) -> None:
        try:
            self._writer.write(wire.HEAD.pack(tag, len(payload)) + payload)
            await self._writer.drain()
        except OSError:
            raise ChainError(_DIED) from None

    async def receive(self) -> tuple[bytes, bytes]:
        """Raises `ChainError` if it is gone."""
        try:
            tag, size = wire.HEAD.unpack(await self._reader.readexactly(wire.HEAD.size))
            return tag, await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            raise ChainError(_DIED) from None

    def close(self) -> None:
        self._writer.close()


class _Talk:
    """One job: what the worker asks is answered until it is done."""

    def __init__(
        self, remote: Remote, worker: _Worker, limits: Limits, foresight: Foresight
    ) -> None:
        self._remote = remote
        self._worker = worker
        self._limits = limits
        self._foresight: Foresight | None = foresight

    async def run(self, tag: bytes, job: msgspec.Struct) -> tuple[bytes, bytes]:
        """How it ended, and with what. Raises `LimitReached`, `RpcError`, `ChainError`."""
        left = self._limits.seconds + _GRACE
        try:
            await self._worker.send(tag, msgspec.json.encode(job))
            while True:
                began = time.monotonic()
                async with asyncio.timeout(left):
                    said, payload = await self._worker.receive()
                left -= time.monotonic() - began
                if said in _ENDS:
                    return said, payload
                await self._worker.send(said, await self._answer(said, payload))
        except TimeoutError:
            seconds = self._limits.seconds
            raise LimitReached(f"it ran for {seconds:g} s, which is what it may") from None

    async def _answer(self, asked: bytes, payload: bytes) -> bytes:
        reading = asyncio.ensure_future(self._read(asked, payload))
        try:
            await asyncio.sleep(0)  # what is at hand is there at once
            await asyncio.sleep(0)
            if not reading.done() and self._foresight is not None:
                foresight, self._foresight = self._foresight, None
                # since a node must be asked, it is asked for all that it can tell
                await foresight()
            return await reading
        finally:
            reading.cancel()

    async def _read(self, asked: bytes, payload: bytes) -> bytes:
        if asked == wire.ACCOUNTS:
            pin, addresses = msgspec.json.decode(payload, type=wire.AskAccounts)
            found = await self._remote.accounts(pin, addresses)
            return msgspec.json.encode([(one.balance, one.nonce, one.code) for one in found])
        if asked == wire.SLOTS:
            pin, slots = msgspec.json.decode(payload, type=wire.AskSlots)
            return msgspec.json.encode(await self._remote.slots(pin, slots))
        pin, number = msgspec.json.decode(payload, type=wire.AskBlock)
        return msgspec.json.encode(await self._remote.block_hash(pin, number))
