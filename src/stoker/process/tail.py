"""Reading log files: from any offset, live, and from the end."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from stoker.process.logs import LogWatch

_CHUNK = 256 * 1024
_LINE = 64 * 1024
_LAST_LINES_LIMIT = 4 << 20


class Chunk(Struct, frozen=True):
    """Bytes of a log. `dropped` bytes directly before `offset` are gone (the log's bound)."""

    offset: int
    data: bytes
    dropped: int = 0

    @property
    def next_offset(self) -> int:
        """Where reading goes on."""
        return self.offset + len(self.data)


async def tail(
    path: str,
    *,
    offset: int = 0,
    finished: asyncio.Future[Any] | None = None,
    watch: LogWatch | None = None,
) -> AsyncIterator[Chunk]:
    """The log from `offset` (bytes) on, in chunks of at most 256 KiB.

    Without `finished` it ends at the end of the file. With it, it follows what is written
    (waiting for the file, if it is not there yet) and ends when everything has been read
    after `finished` was done. `watch` is to be shared where many logs are followed. Close
    the iterator (`contextlib.aclosing`) when leaving it early.
    """
    loop = asyncio.get_running_loop()
    watching = watch or LogWatch(loop)
    wake = asyncio.Event()
    number: int | None = None

    def written() -> None:
        nonlocal number
        number = None
        wake.set()

    def done(_: asyncio.Future[Any]) -> None:
        wake.set()

    if finished is not None:
        finished.add_done_callback(done)
    fd = -1
    try:
        while True:
            # In this order: whatever is written after we looked, wakes us.
            wake.clear()
            over = finished is None or finished.done()
            if number is None and not over:
                place = f"/proc/self/fd/{fd}" if fd >= 0 else os.path.dirname(path)  # noqa: PTH120
                number = watching.once(place or ".", written)
            if fd < 0:
                fd = _open(path)
                if fd >= 0 and number is not None:
                    watching.forget(number, written)
                    number = None
                    continue
            chunk = read_chunk(fd, offset) if fd >= 0 else None
            if chunk is not None:
                yield chunk
                offset = chunk.next_offset
            elif over:
                return
            else:
                await wake.wait()
    finally:
        if finished is not None:
            finished.remove_done_callback(done)
        if number is not None:
            watching.forget(number, written)
        if watch is None:
            watching.close()
        if fd >= 0:
            os.close(fd)


def read_chunk(fd: int, offset: int, size: int = _CHUNK) -> Chunk | None:
    """What `fd` holds at `offset`, past a hole if there is one; None at the end."""
    dropped = 0
    while True:
        data = os.pread(fd, size, offset)
        if not data:
            return Chunk(offset, b"", dropped) if dropped else None
        # Holes only grow: what is not one now, after reading, was none when it was read.
        start = _seek_data(fd, offset)
        if start == offset:
            end = os.lseek(fd, offset, os.SEEK_HOLE)
            if end > offset:
                return Chunk(offset, data[: end - offset], dropped)
            continue
        dropped += start - offset
        offset = start


def last_lines(path: str, count: int) -> list[str]:
    """The last `count` lines of the log, read from its end (at most 4 MiB of it); fewer if
    it has no more or lost what is before. Raises `FileNotFoundError`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        least = max(0, size - _LAST_LINES_LIMIT)
        while (hole := os.lseek(fd, least, os.SEEK_HOLE) if least < size else size) < size:
            least = _seek_data(fd, hole)
        start = start_of_lines(fd, count, least)
        data = b""
        while chunk := os.pread(fd, size - start - len(data), start + len(data)):
            data += chunk
    finally:
        os.close(fd)
    splitter = Lines()
    lines = splitter.feed(data) + splitter.flush()
    cut = start == least > 0 and len(lines) > 1  # the first may have begun before
    return lines[1 if cut else 0 :][-count:] if count > 0 else []


def start_of_lines(fd: int, count: int, least: int = 0) -> int:
    """Where the last `count` lines of a log begin; `least` if that is before."""
    end = start = os.fstat(fd).st_size
    if count <= 0:
        return end
    while start > least:
        at = max(least, start - _LINE)
        block = os.pread(fd, start - at, at)
        if start == end and block.endswith(b"\n"):
            block = block[:-1]  # it ends the last line; it does not begin another
        while (found := block.rfind(b"\n")) >= 0:
            count -= 1
            block = block[:found]
            if not count:
                return at + found + 1
        start = at
    return least


class Lines:
    """Cuts a stream of bytes into lines of text, without their ends. What is not UTF-8 is
    replaced by U+FFFD; a line of more than 64 KiB comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        out = [piece for line in lines for piece in _pieces(line)]
        if len(self._rest) > _LINE:
            pieces = list(_cut(self._rest))
            self._rest = pieces.pop()
            out += [_text(piece) for piece in pieces]
        return out

    def flush(self) -> list[str]:
        """The last line, if the stream did not end with a line's end."""
        rest, self._rest = self._rest, b""
        return _pieces(rest) if rest else []


def _pieces(line: bytes) -> list[str]:
    if line.endswith(b"\r"):
        line = line[:-1]
    return [_text(line)] if len(line) <= _LINE else [_text(piece) for piece in _cut(line)]


def _cut(line: bytes) -> list[bytes]:
    """Pieces of at most 64 KiB, never within a character."""
    pieces = []
    at = 0
    while len(line) - at > _LINE:
        end = at + _LINE
        while end > at + _LINE - 4 and line[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(line[at:end])
        at = end
    pieces.append(line[at:])
    return pieces


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _seek_data(fd: int, offset: int) -> int:
    """Where data begins at or after `offset`; the file's end if there is only a hole."""
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return os.lseek(fd, 0, os.SEEK_END)
