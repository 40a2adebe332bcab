"""Processes that outlive the engine: started under a keeper, and adopted again.

A keeper directory holds `keeper.json` (who runs) once the command runs, `exit.json` (how
it ended) once it is over, `keeper.log` (the keeper's own complaints) and, if asked for,
`stdin`. Neither secrets nor environment are ever in it: they reach the
keeper in memory.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct

from stoker.process.child import Child, OnExit
from stoker.process.resolve import SpawnError, explain
from stoker.process.spawner import LOG_FLAGS, Spawner, memory_file
from stoker.process.spec import MARKER, Exit, ProcessSpec, lineage
from stoker.process.survivors import look
from stoker.process.tree import Ending

if TYPE_CHECKING:
    from stoker.process.redact import Redactor

_T = TypeVar("_T")
# Imported, as Python keeps the bytecode of what is.
_MAIN = f"import sys; sys.path.append({str(Path(__file__).parent)!r})"
_MAIN += "; import keeper_main; keeper_main.main()"


class Kept(Struct, frozen=True):
    """`keeper.json`: keeper and command, each with its start time against reused pids."""

    pid: int
    started: int
    command_pid: int
    command_started: int
    marker: str
    grace_sec: float


class Recorded(Struct, frozen=True):
    """`exit.json`."""

    code: int | None
    signal: int | None
    time: float
    """Seconds since the Unix epoch."""


class KeptChild(Child):
    """A process under a keeper. `pid` is the keeper's, which may not be our child."""

    def __init__(
        self,
        spawner: Spawner,
        pid: int,
        pidfd: int,
        directory: str,
        *,
        marker: str,
        grace: float,
        on_exit: OnExit,
    ) -> None:
        super().__init__(spawner, pid, pidfd, marker=marker, grace=grace, on_exit=on_exit)
        self._directory = directory
        self._cut = False

    def _end_tree(self, grace: float) -> Ending:
        # The keeper is to see the end of its command, and record it.
        return Ending(self._spawner.sweeper, self._marker, self._gone, grace=grace, spared=self.pid)

    def _ready(self) -> None:
        if self._ending is None and _recorded(self._directory) is None:
            # The keeper was killed; nobody keeps what it leaves behind.
            self._ending = self._end_tree(0)
        super()._ready()

    def _gone(self) -> None:
        if not self._exited and not self._cut and _kept(self._directory) is None:
            # It has not started its command yet, and must not any more.
            self._cut = True
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            self._ending = self._end_tree(0)
            return
        super()._gone()

    def _reap(self) -> Exit:
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        recorded = _recorded(self._directory)
        if recorded is None:
            return Exit(cause="stopped" if self._stopped else "lost")
        return Exit(
            code=recorded.code,
            signal=recorded.signal,
            cause="stopped" if self._stopped else "exited",
        )


def keep(
    spawner: Spawner, spec: ProcessSpec, on_exit: OnExit, redactor: Redactor | None
) -> KeptChild:
    """`Spawner.spawn` for a spec with a `keeper_dir`."""
    executable = spawner.resolver.resolve(spec)
    _check(spec, executable)
    directory = os.path.abspath(spec.keeper_dir or "")  # noqa: PTH100
    request = -1
    try:
        _prepare(directory)
        request = memory_file(_request(spawner, spec, executable, redactor))
        pid = os.posix_spawn(
            sys.executable,
            (sys.executable, "-I", "-S", "-X", "utf8", "-c", _MAIN, directory),
            {MARKER: lineage(spec)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, request, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, f"{directory}/keeper.log", LOG_FLAGS, 0o600),
            ],
            setsid=True,
            setsigmask=signal.valid_signals(),
        )
    except OSError as error:
        raise explain(spec, executable, error) from error
    finally:
        if request >= 0:
            os.close(request)
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise explain(spec, executable, error) from error
    return KeptChild(
        spawner, pid, pidfd, directory, marker=spec.marker, grace=spec.grace_sec, on_exit=on_exit
    )


def adopt(spawner: Spawner, keeper_dir: str, on_exit: OnExit) -> KeptChild | Exit | None:
    """`Spawner.adopt`."""
    kept = _kept(keeper_dir)
    if kept is not None:
        pidfd = _hold(kept.pid, kept.started)
        if pidfd is not None:
            marker, grace = kept.marker, kept.grace_sec
            return KeptChild(
                spawner, kept.pid, pidfd, keeper_dir, marker=marker, grace=grace, on_exit=on_exit
            )
    # Looked for after the keeper, who writes it before it goes.
    recorded = _recorded(keeper_dir)
    return None if recorded is None else Exit(code=recorded.code, signal=recorded.signal)


def has_begun(keeper_dir: str) -> bool:
    """Whether a keeper got as far as to run its command there."""
    return _kept(keeper_dir) is not None


def _hold(pid: int, started: int) -> int | None:
    """A pidfd of the process `pid` that was started then; None if it is no more."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    now = look(pid)
    if now is None or now.started != started:
        os.close(pidfd)
        return None
    return pidfd


def _check(spec: ProcessSpec, executable: str) -> None:
    """What the keeper would fail at, told before it is started."""
    if spec.stdin_file and spec.stdin is not None:
        raise SpawnError(
            f"cannot start {spec.argv[0]}: stdin is given twice, as data and as a file",
            command=spec.argv[0],
            errno=errno.EINVAL,
        )
    if any("\0" in word for word in (*spec.argv, *spec.env, *spec.env.values())):
        raise explain(spec, executable, ValueError("embedded null byte"))
    number = 0
    if not os.path.isdir(spec.cwd) or not os.path.exists(executable):  # noqa: PTH110, PTH112
        number = errno.ENOENT
    elif not os.path.isfile(executable) or not os.access(executable, os.X_OK):  # noqa: PTH113
        number = errno.EACCES
    if number:
        raise explain(spec, executable, OSError(number, os.strerror(number)))


def _prepare(directory: str) -> None:
    place = Path(directory)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("keeper.json", "exit.json"):
        (place / name).unlink(missing_ok=True)


def _request(
    spawner: Spawner, spec: ProcessSpec, executable: str, redactor: Redactor | None
) -> bytes:
    import marshal

    request = {
        "executable": executable,
        "argv": spec.argv,
        "stdin": spec.stdin or b"",
        "env": {**spec.env, MARKER: lineage(spec)},
        "cwd": spec.cwd,
        "stdout_path": spec.stdout_path,
        "stderr_path": spec.stderr_path,
        "stdin_file": spec.stdin_file,
        "marker": spec.marker,
        "grace_sec": spec.grace_sec,
        "nice": spec.nice,
        "secrets": redactor.secrets if redactor else (),
        "log_limit": spawner.bounds.limit if spawner.bounds is not None else 0,
    }
    return marshal.dumps(request)


def _kept(directory: str) -> Kept | None:
    return _read(directory, "keeper.json", Kept)


def _recorded(directory: str) -> Recorded | None:
    return _read(directory, "exit.json", Recorded)


def _read(directory: str, name: str, kind: type[_T]) -> _T | None:
    """None also if it is damaged: a command may write to its keeper's directory."""
    try:
        return msgspec.json.decode(Path(directory, name).read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
