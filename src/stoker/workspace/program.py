"""Running git to its end: no shell, no terminal, bounded output, nothing left when cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from subprocess import DEVNULL, PIPE, Popen
from typing import IO

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
    # Not by asyncio's own subprocesses, whose threads and transports take twice as long as git.
    with _given(stdin) as source:
        process = Popen(  # noqa: ASYNC220
            argv,
            bufsize=0,
            cwd=cwd,
            env=env,
            stdin=source,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=fds,
            start_new_session=True,
        )
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:  # no more descriptors
        process.kill()
        process.wait()
        raise
    try:
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            stdout = group.create_task(_all(process.stdout, argv))
            stderr = group.create_task(_tail(process.stderr))
            group.create_task(_readable(pidfd))
    except TimeoutError:
        await _end(process, pidfd)
        raise GitTimeout(argv, timeout) from None
    except BaseExceptionGroup as errors:
        await _end(process, pidfd)
        raise errors.exceptions[0] from None
    except BaseException:
        await _end(process, pidfd)
        raise
    finally:
        os.close(pidfd)
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()
    said = stderr.result().decode(errors="replace")
    return Output(process.wait(), stdout.result(), said)


@contextmanager
def _given(data: bytes | None) -> Iterator[int]:
    """A file to be read from its beginning: nobody has to feed it to the process."""
    if data is None:
        yield DEVNULL
        return
    with FileIO(os.memfd_create("stdin"), "w") as file:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        file.seek(0)
        yield file.fileno()


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def _pieces(pipe: IO[bytes] | None) -> AsyncIterator[bytes]:
    while pipe is not None:
        await _readable(pipe.fileno())
        if not (piece := os.read(pipe.fileno(), _CHUNK)):
            return
        yield piece


async def _all(pipe: IO[bytes] | None, argv: tuple[str, ...]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in _pieces(pipe):
        pieces.append(piece)
        size += len(piece)
        if size > OUTPUT_LIMIT:
            raise OutputTooLarge(argv, OUTPUT_LIMIT)
    return b"".join(pieces)


async def _tail(pipe: IO[bytes] | None) -> bytes:
    kept = b""
    async for piece in _pieces(pipe):
        kept = (kept + piece)[-_STDERR_TAIL:]
    return kept


async def _end(process: Popen[bytes], pidfd: int) -> None:
    """Ask first, so that git removes its lock files; then end what is left of its group."""
    for which, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, which)
        try:
            async with asyncio.timeout(patience):
                await _readable(pidfd)
        except TimeoutError:
            continue
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    process.wait()
