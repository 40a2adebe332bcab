"""The server that runs on a state directory, found by whoever may read the directory.

It writes down where it is, with a token that holds for as long as it lives: what works on the
same directory asks it instead of getting in its way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from stoker.journal.base import EngineIdentity
from stoker.journal.identity import current_engine, is_dead
from stoker.project import ours

IN_PROCESS = "http://in-process"
"""URL of a client whose server is in its own process."""


class Running(Struct, frozen=True):
    """A server that runs on this machine."""

    url: str
    token: str
    process: EngineIdentity


def running(directory: Path) -> Running | None:
    """The server of a state directory, if one of this user's runs. Raises `OSError`."""
    try:
        with _file(directory).open("rb") as file:
            if not ours(os.fstat(file.fileno())):
                return None
            found = msgspec.json.decode(file.read(), type=Running)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return found if is_dead(found.process) is False else None


@contextmanager
def announced(directory: Path, url: str, token: str) -> Iterator[None]:
    """This process is the server of a state directory. Raises `OSError`."""
    own = msgspec.json.encode(Running(url, token, current_engine()))
    new = _file(directory).with_suffix(f".{os.getpid()}")
    with suppress(FileNotFoundError):
        new.unlink()  # of a process that had this one's number
    fd = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(own)
    new.replace(_file(directory))
    try:
        yield
    finally:
        with suppress(OSError):
            if _file(directory).read_bytes() == own:
                _file(directory).unlink()


def _file(directory: Path) -> Path:
    return directory / "server.json"
