"""Logs of attempts on the command's own streams."""

from __future__ import annotations

import asyncio
import os
from codecs import getincrementaldecoder
from contextlib import aclosing
from typing import Final

from stoker.cli.output import Output, Stream
from stoker.journal.base import AttemptRow
from stoker.process.logs import LogWatch
from stoker.process.tail import Lines, start_of_lines, tail

_decoder = getincrementaldecoder("utf-8")
_AT_ONCE: Final = 200
"""Attempts followed at a time: two descriptors each, and 1,024 is a usual limit."""


class LogPrinter:
    """Prints the logs of attempts, stdout to stdout and stderr to stderr; only one of them
    goes to stdout, whichever it is.

    `lines`: only so many from the end of each; `prefix`: lines begin with the step's id.
    """

    def __init__(
        self,
        output: Output,
        watch: LogWatch,
        *,
        stdout: bool,
        stderr: bool,
        lines: int | None,
        prefix: bool,
    ) -> None:
        self._output = output
        self._watch = watch
        self._out = output.out if stdout else None
        self._err = (output.err if stdout else output.out) if stderr else None
        self._lines = lines
        self._prefix = prefix
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def print(self, attempt: AttemptRow) -> None:
        """Print the logs of an attempt as they are."""
        for path, stream in self._streams(attempt.stdout_path, attempt.stderr_path):
            await self._copy(attempt.step_id, path, stream, None)
        self._output.flush()

    async def follow(
        self, step: str, stdout: str | None, stderr: str | None, finished: asyncio.Future[None]
    ) -> None:
        """Print the logs of an attempt until it is `finished`."""
        async with self._free, asyncio.TaskGroup() as group:
            for path, stream in self._streams(stdout, stderr):
                group.create_task(self._copy(step, path, stream, finished))

    def _streams(self, stdout: str | None, stderr: str | None) -> list[tuple[str, Stream]]:
        pairs = ((stdout, self._out), (stderr, self._err))
        return [(path, stream) for path, stream in pairs if path is not None and stream is not None]

    async def _copy(
        self, step: str, path: str, stream: Stream, finished: asyncio.Future[None] | None
    ) -> None:
        head = f"{step} | " if self._prefix else ""
        lines = Lines()
        decode = _decoder("replace").decode  # a chunk may end within a character
        offset = _start_of_last_lines(path, self._lines) if self._lines is not None else 0
        try:
            reading = tail(path, offset=offset, finished=finished, watch=self._watch)
            async with aclosing(reading) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    if chunk.dropped:
                        stream.line(f"{head}[{chunk.dropped} bytes were dropped here]")
                    if head:
                        for line in lines.feed(chunk.data):
                            stream.line(head + line)
                    else:
                        stream.write(decode(chunk.data))
                    if finished is not None:
                        stream.flush()
        except FileNotFoundError:
            self._output.note(f"the logs of step {step} are not here: {os.path.dirname(path)}")  # noqa: PTH120
        for line in lines.flush():
            stream.line(head + line)


def _start_of_last_lines(path: str, count: int) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        return start_of_lines(fd, count)
    finally:
        os.close(fd)
