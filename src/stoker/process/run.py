"""Helper processes of this one: run to the end, output captured."""

from __future__ import annotations

import asyncio

from stoker.process.pipes import Capture, Pipes, RedactedLog
from stoker.process.redact import Redactor
from stoker.process.resolve import explain
from stoker.process.spawner import Child, Spawner
from stoker.process.spec import Exit, ProcessSpec

CAPTURE_LIMIT = 16 << 20
"""Bytes of stdout that are kept in memory at most."""


class OutputTooLarge(Exception):
    """The process wrote more to stdout than may be captured; it was ended."""

    def __init__(self, command: str, limit: int) -> None:
        super().__init__(f"{command} wrote more than {limit} bytes to its standard output")
        self.command = command
        self.limit = limit


async def run(
    spawner: Spawner,
    spec: ProcessSpec,
    redactor: Redactor | None = None,
    *,
    limit: int = CAPTURE_LIMIT,
) -> tuple[Exit, bytes]:
    """Run `spec` to its end; returns how it ended and its stdout, as written.

    `spec.stdout_path` is not used; stderr is appended to `spec.stderr_path`, redacted.
    Cancelling ends the whole tree (a second time: at once) before it propagates. Raises
    `SpawnError`, `OutputTooLarge`.
    """
    ended: asyncio.Future[Exit] = spawner.loop.create_future()
    exceeded = False

    def on_excess() -> None:
        nonlocal exceeded
        exceeded = True
        child.stop(0)

    capture = Capture(limit, on_excess)
    try:
        log = RedactedLog(spec.stderr_path, redactor)
        pipes = Pipes(spawner.loop, capture, log)
    except OSError as error:
        raise explain(spec, spec.argv[0], error) from error
    child = spawner.spawn(spec, ended.set_result, pipes=pipes)
    await over(child, ended)
    if exceeded:
        raise OutputTooLarge(spec.argv[0], limit)
    return ended.result(), bytes(capture.data)


async def over(child: Child, ended: asyncio.Future[Exit], seconds: float | None = None) -> bool:
    """Wait for the end that `child` tells `ended` of; after `seconds`, if given, its whole tree is
    stopped: False then. Cancelling stops it too (a second time: at once) before it propagates."""
    try:
        done, _ = await asyncio.wait((ended,), timeout=seconds)
        if not done:
            child.stop()
            await asyncio.wait((ended,))
    except asyncio.CancelledError:
        child.stop()
        while not ended.done():
            try:
                await asyncio.wait((ended,))
            except asyncio.CancelledError:
                child.stop(0)
        raise
    return bool(done)
