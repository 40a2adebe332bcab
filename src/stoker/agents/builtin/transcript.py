"""The transcript of a session: an append-only file, an entry a line.

An entry survives any kill when `append` returns, and is on the disk, with all before it, when
what follows must not be done twice. A line that a crash has torn is the last one and is cut off
when the file is opened again; a damaged line before that is an error.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from stoker.agents.builtin.entries import Acting, Asked, Began, Ended, Entry
from stoker.whole_file import sync_directory

_AWAITED = (Began, Asked, Acting, Ended)
"""Until the disk has them. A power cut may take the others that come last: the model is asked
again then, and of a call that must not run twice its outcome is unknown."""


class TranscriptDamaged(Exception):
    """A line that is not the last cannot be read."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"{path}: line {line}: {why}")
        self.path = path
        self.line = line


class SessionInUse(Exception):
    """Another process holds the transcript."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: the session is in use by another process")
        self.path = path


class Line(Struct, frozen=True):
    """One line of the file."""

    seq: int
    """From 0, without gaps."""
    at: float
    """Seconds since the Unix epoch."""
    entry: Entry


class Transcript:
    """Open for reading and appending, by this process only.

    `lines` is what the file held when it was opened. Raises `TranscriptDamaged`,
    `SessionInUse`, `OSError`.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._hold()
            self.lines = self._read()
            sync_directory(path.parent)
        except BaseException:
            os.close(self._fd)
            raise
        self._next = len(self.lines)
        self._encoder = msgspec.json.Encoder()

    def append(self, entry: Entry) -> Line:
        """Write `entry`. Raises `OSError`; then what is in the file is not known, and nothing
        may be done but to open it anew."""
        line = Line(self._next, time.time(), entry)
        data = memoryview(self._encoder.encode(line) + b"\n")
        while data:
            data = data[os.write(self._fd, data) :]
        if isinstance(entry, _AWAITED):
            os.fdatasync(self._fd)
        self._next += 1
        return line

    def close(self) -> None:
        """Let others have it."""
        os.close(self._fd)

    def _hold(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SessionInUse(self.path) from error

    def _read(self) -> list[Line]:
        data = self.path.read_bytes()
        decoder = msgspec.json.Decoder(Line)
        lines: list[Line] = []
        at = 0
        while at < len(data):
            end = data.find(b"\n", at) + 1
            found = _decoded(decoder, data[at:end], len(lines)) if end else "it has no end"
            if isinstance(found, Line):
                lines.append(found)
                at = end
                continue
            if end and end < len(data):
                raise TranscriptDamaged(self.path, len(lines) + 1, found)
            os.ftruncate(self._fd, at)
            os.fsync(self._fd)
            break
        return lines


def _decoded(decoder: msgspec.json.Decoder[Line], data: bytes, seq: int) -> Line | str:
    """The line, or what is wrong with it."""
    try:
        line = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        return str(error)
    return line if line.seq == seq else f"expected entry {seq}, found {line.seq}"
