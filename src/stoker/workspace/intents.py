"""What is being made or removed, written down first: whoever finds it half-done can finish.

An intent is a file that its writer holds locked (as do the git commands it starts). Whoever gets
the lock of another's intent knows that nobody is at work on it any more. Intents are made, and
looked for, under the repository's lock.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Literal

import msgspec

from stoker.workspace import locks
from stoker.workspace.git import encode
from stoker.workspace.repository import INTENTS, Repository


class Intent(msgspec.Struct, frozen=True):
    """`create`: a worktree may be half-made at `path`. `remove`: what was at `path` is, or is to
    be, at `trash`, and nobody needs it. Paths are as `os.fsencode` has them, in latin-1."""

    kind: Literal["create", "remove"]
    path: str
    trash: str
    branch: str | None = None
    """The branch that was made with it."""
    oid: str | None = None
    """Where that branch was made; one that has moved on is somebody's work."""


class Record:
    """An intent's file, locked."""

    def __init__(self, file: Path, fd: int) -> None:
        """Use `begin` or `take`."""
        self.file = file
        self.fd = fd
        self._open = True

    def write(self, intent: Intent) -> None:
        """Replace what it says."""
        locks.write(self.fd, msgspec.json.encode(intent))

    def done(self) -> None:
        """There is nothing left to do."""
        self.file.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Somebody else may take it from here. Does nothing a second time."""
        if self._open:
            self._open = False
            os.close(self.fd)


def quote(path: Path) -> str:
    """A path as an intent has it: JSON can't hold every name."""
    return encode(str(path)).decode("latin-1")


def unquote(path: str) -> Path:
    """The inverse of `quote`."""
    return Path(os.fsdecode(path.encode("latin-1")))


def begin(repository: Repository, intent: Intent) -> Record:
    """Write an intent down. Under the repository's lock."""
    file = _folder(repository) / f"{uuid.uuid4().hex}.json"
    record = Record(file, locks.open_file(file))
    locks.try_lock(record.fd)  # nobody else knows the name
    record.write(intent)
    return record


class Found(msgspec.Struct, frozen=True):
    """All that is being made or removed."""

    abandoned: tuple[tuple[Record, Intent], ...]
    """Nobody is at work on these any more. They are the caller's now."""
    under_way: tuple[Intent, ...]


def look(repository: Repository) -> Found:
    """Take all that nobody is at work on. Under the repository's lock."""
    abandoned: list[tuple[Record, Intent]] = []
    under_way: list[Intent] = []
    folder = _folder(repository)
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - asked for at every creation
    except FileNotFoundError:
        names = []
    for file in (folder / name for name in names if name.endswith(".json")):
        try:
            record = Record(file, os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        except FileNotFoundError:
            continue
        ours = locks.try_lock(record.fd)
        try:
            intent = msgspec.json.decode(os.pread(record.fd, 1 << 20, 0), type=Intent)
        except msgspec.MsgspecError:
            if ours:
                record.done()  # killed while it was written, before anything was done
            else:
                record.leave()
            continue
        if ours and file.exists():
            abandoned.append((record, intent))
            continue
        record.leave()
        if not ours:
            under_way.append(intent)
    return Found(tuple(abandoned), tuple(under_way))


def _folder(repository: Repository) -> Path:
    return repository.common_dir / INTENTS
