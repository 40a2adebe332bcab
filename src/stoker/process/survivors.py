"""Which processes are alive, and which attempt each belongs to, as /proc tells.

The marker is read from the environment a process was started with. A process that
overwrites that memory (some daemons do, to show a title) or was given an empty
environment is known by its session only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from stoker.process.spec import MARKER, SEPARATOR

_KEY = b"\0" + MARKER.encode() + b"="
_BUFFER = 32768
_PASSES = 20
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD


class Survivor(Struct, frozen=True, kw_only=True):
    """A live process."""

    pid: int
    started: int
    """Clock ticks since boot: with the pid, an identity that is never reused."""
    marker: str
    """Empty if it carries none or we may not know. As in the environment: of attempts one
    within the other all, but `marked` tells the one that was asked for."""
    group: int
    session: int
    executing: bool = False
    """In the middle of an exec, when for a moment nobody can read its marker."""


def under(prefix: str, marker: str) -> bool:
    """True if `marker` is `prefix` or lies beneath it, whole components compared: `run/step/1`
    is under `run/` and `run/step`, not under `ru` or `run/st`. Of several markers, one has to
    be."""
    return member(prefix, marker) is not None


def member(prefix: str, marker: str) -> str | None:
    """The first (outermost) of the markers in `marker` that is under `prefix`, if any."""
    beneath = prefix if prefix[-1:] == "/" else prefix + "/"
    for one in marker.split(SEPARATOR):
        if one == prefix or one.startswith(beneath):
            return one
    return None


def marked(prefix: str) -> list[Survivor]:
    """Live processes, this one excepted, whose marker is under `prefix`; newest first."""
    found = []
    for one in Scan():
        marker = member(prefix, one.marker) if one.marker else None
        if marker is not None:
            found.append(one if marker == one.marker else replace(one, marker=marker))
    return found


class Scan:
    """Every live process of this machine but this one, newest first, read one by one so
    that the caller can act on each before the next is looked at. Iterate once."""

    def __init__(self) -> None:
        self.settled = False
        """True after a scan that missed nobody: none was in the middle of an exec, or gone
        before it could be looked at, leaving a successor perhaps."""

    def __iter__(self) -> Iterator[Survivor]:
        seen: set[int] = set()
        for _ in range(_PASSES):
            new = _pids() - seen
            seen |= new
            missed = False
            for pid in sorted(new, reverse=True):
                survivor = look(pid)
                if survivor is None:
                    missed = True
                elif survivor.executing:
                    missed = True
                    seen.discard(pid)
                else:
                    yield survivor
            if not missed:
                self.settled = True
                return


def look(pid: int) -> Survivor | None:
    """The process `pid` as it is now; None if it is gone or a zombie. Raises `OSError` if
    there is no file descriptor left to look with."""
    environ = _read(f"/proc/{pid}/environ")
    # The command's name, in parentheses, may itself hold spaces and parentheses.
    fields = (_read(f"/proc/{pid}/stat") or b"").rpartition(b")")[2].split()
    if not fields or fields[0] in b"ZX":
        return None
    return Survivor(
        pid=pid,
        started=int(fields[19]),
        marker=_marker(environ) if environ else "",
        group=int(fields[2]),
        session=int(fields[3]),
        # Readable, and yet no environment is in place, though it is no kernel thread.
        executing=environ == b"" and int(fields[48]) == 0 and not int(fields[6]) & _KERNEL_THREAD,
    )


def _pids() -> set[int]:
    pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
    pids.discard(os.getpid())
    return pids


def _marker(environ: bytes) -> str:
    environ = b"\0" + environ
    at = environ.find(_KEY)
    if at < 0:
        return ""
    at += len(_KEY)
    end = environ.find(b"\0", at)
    return os.fsdecode(environ[at : end if end >= 0 else None])


def _read(path: str) -> bytes | None:
    """The file's content; None if the process vanished or is not ours to read. Raises
    `OSError` where that says nothing of the process."""
    try:
        fd = os.open(path, os.O_RDONLY)
        try:
            data = os.read(fd, _BUFFER)
            if len(data) == _BUFFER:
                while more := os.read(fd, _BUFFER):
                    data += more
            return data
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
