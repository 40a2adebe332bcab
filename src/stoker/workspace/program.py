"""Running git to its end: no shell, no terminal, bounded output, nothing left when cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio import StreamReader
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from stoker.workspace.errors import GitTimeout, OutputTooLarge

OUTPUT_LIMIT = 256 << 20
"""Bytes of stdout kept in memory at most."""
_STDERR_TAIL = 16 << 10
_CHUNK = 1 << 18
_GRACE = 2.0


class Output(msgspec.Struct, frozen=True):
    """What a command said. `code` is negative for a signal."""

    code: int
    stdout: bytes
    stderr: str


async def execute(
    argv: tuple[str, ...],
    *,
    cwd: str,
    env: Mapping[str, str],
    stdin: bytes | None = None,
    fds: tuple[int, ...] = (),
    timeout: float,  # noqa: ASYNC109 - it is a limit for the process, and named in the error
) -> Output:
    """Run `argv`. `fds` stay open in it: locks that must outlive this process with it.

    Raises `GitTimeout`, `OutputTooLarge`, and OSError if it can't be started. Cancelling ends the
    whole process group.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=env,
        stdin=DEVNULL if stdin is None else PIPE,
        stdout=PIPE,
        stderr=PIPE,
        pass_fds=fds,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            stdout = group.create_task(_all(process, argv))
            stderr = group.create_task(_tail(process.stderr))
            if stdin is not None:
                group.create_task(_feed(process, stdin))
            group.create_task(process.wait())
    except TimeoutError:
        await _end(process)
        raise GitTimeout(argv, timeout) from None
    except BaseExceptionGroup as errors:
        await _end(process)
        raise errors.exceptions[0] from None
    except BaseException:
        await _end(process)
        raise
    code = process.returncode
    said = stderr.result().decode(errors="replace")
    return Output(-1 if code is None else code, stdout.result(), said)


async def _all(process: Process, argv: tuple[str, ...]) -> bytes:
    stream = process.stdout
    pieces: list[bytes] = []
    size = 0
    while stream is not None and (piece := await stream.read(_CHUNK)):
        pieces.append(piece)
        size += len(piece)
        if size > OUTPUT_LIMIT:
            raise OutputTooLarge(argv, OUTPUT_LIMIT)
    return b"".join(pieces)


async def _tail(stream: StreamReader | None) -> bytes:
    kept = b""
    while stream is not None and (piece := await stream.read(_CHUNK)):
        kept = (kept + piece)[-_STDERR_TAIL:]
    return kept


async def _feed(process: Process, data: bytes) -> None:
    if process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # it ended first, and says why
        process.stdin.write(data)
        await process.stdin.drain()
        process.stdin.close()


async def _end(process: Process) -> None:
    """Ask first, so that git removes its lock files."""
    for which, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, which)
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except TimeoutError:
            continue
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
