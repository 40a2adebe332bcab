"""Output that passes through this process: redacted on its way to a log, or captured."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Protocol

from stoker.process.redact import Redactor

_READ = 65536
_PIPE_MAX = 1 << 20
_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class Sink(Protocol):
    """Where output goes."""

    def write(self, data: bytes) -> None:
        """Take all of `data`. Raises `OSError`, which the writer sees as a broken pipe."""

    def close(self) -> None:
        """There is no more. May raise `OSError`."""


class RedactedLog:
    """A log file that gets everything but secrets."""

    def __init__(self, path: str, redactor: Redactor | None) -> None:
        self._stream = (redactor or Redactor()).stream()
        self._fd = os.open(path, _LOG_FLAGS, 0o600)

    def write(self, data: bytes) -> None:
        """Append what is decided to be no secret."""
        self._append(self._stream.feed(data))

    def close(self) -> None:
        """Append the rest."""
        try:
            self._append(self._stream.flush())
        finally:
            os.close(self._fd)

    def _append(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]


class Capture:
    """Keeps output in memory, at most `limit` bytes; past that calls `on_excess`."""

    def __init__(self, limit: int, on_excess: Callable[[], None]) -> None:
        self.data = bytearray()
        self._limit = limit
        self._on_excess = on_excess

    def write(self, data: bytes) -> None:
        """Keep `data`, or raise `OSError` (EFBIG)."""
        if len(self.data) + len(data) > self._limit:
            self._on_excess()
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self.data += data

    def close(self) -> None:
        """Nothing to give up."""


class Pipes:
    """The two outputs of one process. `stdout` and `stderr` are what the child is given."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *sinks: Sink) -> None:
        """One sink for both outputs, or two; they are closed when all is read. Raises
        `OSError`; then everything is closed."""
        self._pipes: list[_Pipe] = []
        try:
            for sink in sinks:
                self._pipes.append(_Pipe(loop, sink))
        except OSError:
            self.close()
            for sink in sinks[len(self._pipes) :]:
                sink.close()
            raise

    @property
    def stdout(self) -> int:
        """File descriptor of the writing end."""
        return self._pipes[0].writing

    @property
    def stderr(self) -> int:
        """File descriptor of the writing end; that of `stdout` if there is one sink."""
        return self._pipes[-1].writing

    def start(self) -> None:
        """The child has its ends: give up ours, and read."""
        for pipe in self._pipes:
            pipe.start()

    def finish(self) -> None:
        """The child is over: read what it has left in the pipes. Does not wait for those
        who still hold the other end."""
        for pipe in self._pipes:
            pipe.finish()

    def close(self) -> None:
        """Give everything up, unread."""
        for pipe in self._pipes:
            pipe.close()


def logged(
    loop: asyncio.AbstractEventLoop, stdout_path: str, stderr_path: str, redactor: Redactor
) -> Pipes:
    """Pipes into redacted logs. Raises `OSError`, and then leaves nothing open."""
    stdout = RedactedLog(stdout_path, redactor)
    if stderr_path == stdout_path:
        return Pipes(loop, stdout)
    try:
        stderr = RedactedLog(stderr_path, redactor)
    except OSError:
        stdout.close()
        raise
    return Pipes(loop, stdout, stderr)


class _Pipe:
    def __init__(self, loop: asyncio.AbstractEventLoop, sink: Sink) -> None:
        self._loop = loop
        self._sink = sink
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._open = True

    def start(self) -> None:
        os.close(self.writing)
        self.writing = -1
        self._loop.add_reader(self._reading, self._read)

    def finish(self) -> None:
        # No more than a pipe holds: an escaped process may go on writing for ever.
        left = _PIPE_MAX
        while self._open and left > 0 and (count := self._read()):
            left -= count
        self.close()

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self.writing >= 0:
            os.close(self.writing)
        else:
            self._loop.remove_reader(self._reading)
        os.close(self._reading)
        try:
            self._sink.close()
        except OSError:
            # The disk is full and the last few bytes are lost; the process is over.
            return

    def _read(self) -> int:
        try:
            data = os.read(self._reading, _READ)
        except BlockingIOError:
            return 0
        if not data:
            self.close()
            return 0
        try:
            self._sink.write(data)
        except OSError:
            # A child that wrote to a full disk itself would see an error; this one sees a
            # broken pipe.
            self.close()
        return len(data)
