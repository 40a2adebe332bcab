"""Which process an engine is, and whether that process is dead."""

from __future__ import annotations

import os
from pathlib import Path

from stoker.journal.base import EngineIdentity

_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Fields 3 and 22 of /proc/PID/stat, counted from behind the command's name."""
_ENDED = ("Z", "X", "x")


def current_engine() -> EngineIdentity:
    """An identity for a new engine in this process; every call gives another `engine_id`."""
    fields = _stat("self")
    return EngineIdentity(
        engine_id=os.urandom(8).hex(),
        host=this_host(),
        pid=os.getpid(),
        pid_started=int(fields[_STARTED]),
    )


def this_host() -> str:
    """`boot id/pid namespace`: two processes that agree on it can compare pids."""
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"


def is_dead(identity: EngineIdentity) -> bool | None:
    """Whether that engine's process is gone. None: it cannot be told from here, because it
    runs (or ran) on another host, in another pid namespace or before a reboot, or because
    /proc hides it."""
    if identity.host != this_host():
        return None
    try:
        # /proc may hide other users' processes (hidepid); a signal's errno does not lie.
        os.kill(identity.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    try:
        fields = _stat(str(identity.pid))
    except OSError:
        return None
    return int(fields[_STARTED]) != identity.pid_started or fields[_STATE] in _ENDED


def survivors(run_id: str, step_id: str) -> list[EngineIdentity]:
    """Live processes on this host that an attempt of the step has started, whichever engine
    it had; told like engines (without an `engine_id`), to be watched alike."""
    from stoker.process.spec import SEPARATOR
    from stoker.process.survivors import Scan, under

    prefix = f"{run_id}/{step_id}"
    host = this_host()
    return [
        EngineIdentity("", host, one.pid, one.started)
        for one in Scan()
        # Of attempts one within the other each has its marker; its first part is the realm.
        if any(under(prefix, part.partition("/")[2]) for part in one.marker.split(SEPARATOR))
    ]


def _stat(pid: str) -> list[str]:
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    return (_PROC / pid / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
