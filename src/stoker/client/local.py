"""The server that runs on a journal of a state directory, found by whoever may read that.

It writes down where it is, with a token that holds for as long as it lives: what works on the
same journal asks it instead of getting in its way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
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


def running(directory: Path, journal: str) -> Running | None:
    """The server of a journal (its path or URL), if one of this user's runs. Raises `OSError`."""
    try:
        with _file(directory, journal).open("rb") as file:
            if not ours(os.fstat(file.fileno())):
                return None
            found = msgspec.json.decode(file.read(), type=Running)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return found if is_dead(found.process) is False else None


@contextmanager
def announced(directory: Path, journal: str, url: str, token: str) -> Iterator[None]:
    """This process is the server of a journal. Raises `OSError`."""
    own = msgspec.json.encode(Running(url, token, current_engine()))
    place = _file(directory, journal)
    new = place.with_suffix(f".{os.getpid()}")
    with suppress(FileNotFoundError):
        new.unlink()  # of a process that had this one's number
    fd = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(own)
    new.replace(place)
    try:
        yield
    finally:
        with suppress(OSError):
            if place.read_bytes() == own:
                place.unlink()


def _file(directory: Path, journal: str) -> Path:
    """A state directory may hold several journals, or be that of some on database servers."""
    return directory / f"server-{sha256(journal.encode()).hexdigest()[:8]}.json"
