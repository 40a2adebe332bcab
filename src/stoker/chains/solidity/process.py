"""A process that compiles: solc-js that stays, or a native solc for each question."""

from __future__ import annotations

import asyncio
import os
import resource
import struct
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from stoker.chains.errors import ChainError, LimitReached
from stoker.chains.processes import end
from stoker.chains.solidity.toolchain import Compiler

_WORKER: Final = Path(__file__).with_name("worker.cjs")
_HEAP: Final = 1 << 9
"""MiB that the JavaScript beside the compiler may hold."""
_START: Final = 60.0
"""Seconds for it to come up, on however busy a machine."""
_ANSWER: Final = 256 << 20
_PAGE: Final = resource.getpagesize()
_RESIDENT, _DATA = 1, 5
"""Places in `statm`; the second is of what `RLIMIT_DATA` bounds."""


async def start(compiler: Compiler, memory: int) -> SolcJs | NativeSolc:
    """It takes one question at a time. `memory`: bytes it may have for a compilation. Raises
    `ChainError`."""
    if compiler.native:
        return NativeSolc(compiler, memory)
    return await SolcJs.start(compiler, memory)


class SolcJs:
    """solc-js under Node, warm: what it has loaded serves the next question."""

    def __init__(self, process: asyncio.subprocess.Process, said: IO[bytes], memory: int) -> None:
        self.version = ""
        """The compiler's own words."""
        self._process = process
        self._said = said
        self._memory = memory

    @classmethod
    async def start(cls, compiler: Compiler, memory: int) -> Self:
        """Raises `ChainError` with what Node said where it does not come up."""
        node, package = compiler.argv
        said = tempfile.TemporaryFile()  # noqa: SIM115
        process = await asyncio.create_subprocess_exec(
            node,
            f"--max-old-space-size={_HEAP}",
            str(_WORKER),
            package,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env={},
            cwd="/",
            start_new_session=True,  # Ctrl-C is for whoever owns it.
        )
        worker = cls(process, said, memory)
        try:
            async with asyncio.timeout(_START):
                worker.version = msgspec.json.decode(await worker._read())["version"]
            # Node reserves much as its own; what counts is what comes on top.
            _bound(process.pid, resource.RLIMIT_DATA, _bytes(process.pid, _DATA) + memory)
            _bound(process.pid, resource.RLIMIT_FSIZE, 1 << 20)
        except (EOFError, OSError):
            heard = worker._heard()
            await worker.close()
            raise ChainError(f"solc-js in {package} does not start: {heard}") from None
        except BaseException:
            await worker.close()
            raise
        return worker

    async def ask(self, question: bytes) -> bytes:
        """Standard JSON to standard JSON. Raises `LimitReached` where the compiler breaks on it.
        After an exception, cancelling included, nothing but `close` may be called."""
        writer = self._process.stdin
        assert writer is not None  # noqa: S101
        try:
            writer.write(struct.pack(">I", len(question)) + question)
            await writer.drain()
            return await self._read()
        except (EOFError, OSError):
            await self._process.wait()
            raise LimitReached(
                f"the compiler broke on this source, or on its limit of {self._memory >> 20} MiB: "
                f"{self._heard()}"
            ) from None

    async def _read(self) -> bytes:
        reader = self._process.stdout
        assert reader is not None  # noqa: S101
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        if length > _ANSWER:
            raise LimitReached(f"the compiler's answer has {length:,} bytes")
        return await reader.readexactly(length)

    def _heard(self) -> str:
        """The last that it said."""
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - 4096))
        lines = self._said.read().decode(errors="replace").split("\n")
        told = [line for line in lines if "Error" in line or "error" in line or "memory" in line]
        return (told or [line for line in lines if line.strip()] or ["nothing was said"])[0][:300]

    def worn(self) -> bool:
        """Whether it has ended, or holds so much memory that another should take its place."""
        try:
            resident = _bytes(self._process.pid, _RESIDENT)
        except OSError:  # it is gone, and nobody has told yet
            return True
        return self._process.returncode is not None or resident > self._memory // 2

    async def close(self) -> None:
        """End it, whatever it does."""
        await end(self._process)
        self._said.close()


class NativeSolc:
    """Started anew for each question, which it is fast enough for."""

    def __init__(self, compiler: Compiler, memory: int) -> None:
        self.version = compiler.full
        self._program = compiler.argv[0]
        self._memory = memory

    async def ask(self, question: bytes) -> bytes:
        """As `SolcJs`."""
        with tempfile.TemporaryDirectory() as empty:
            process = await asyncio.create_subprocess_exec(
                self._program,
                "--standard-json",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=empty,  # It would read from there what it is not handed.
                start_new_session=True,
            )
            try:
                with suppress(ProcessLookupError):  # it has ended already: its status says how
                    _bound(process.pid, resource.RLIMIT_DATA, self._memory)
                answer, said = await process.communicate(question)
            finally:
                await end(process)
        if process.returncode or not answer:
            heard = said.decode(errors="replace").strip()[-300:]
            raise LimitReached(
                f"{self._program} ended with status {process.returncode} on this source, or on its "
                f"limit of {self._memory >> 20} MiB: {heard}"
            )
        return answer

    def worn(self) -> bool:
        """Never."""
        return False

    async def close(self) -> None:
        """Nothing is left of it."""


def _bound(pid: int, what: int, limit: int) -> None:
    hard = resource.prlimit(pid, what)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.prlimit(pid, what, (limit, limit))


def _bytes(pid: int, which: int) -> int:
    """Of its memory, as its `statm` has them: see `proc(5)`."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[which]) * _PAGE
