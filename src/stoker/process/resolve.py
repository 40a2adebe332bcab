"""Which file a command's name means, and why a process could not be started."""

from __future__ import annotations

import errno
import os
import stat

from stoker.process.spec import ProcessSpec


class SpawnError(Exception):
    """The process could not be started; nothing of it is left. The message says what was
    looked for and where; `errno` is the system's reason."""

    def __init__(self, message: str, *, command: str, errno: int) -> None:
        super().__init__(message)
        self.command = command
        self.errno = errno

    @property
    def exit_code(self) -> int:
        """What a shell would report: 127 not found, 126 found but not executable."""
        return 127 if self.errno == errno.ENOENT else 126


_CACHE_SIZE = 4096
_SHOWN = 4
"""Directories of PATH that a message names."""


class Resolver:
    """Finds executables as execvp does, on the *child's* PATH, and remembers them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], str] = {}

    def resolve(self, spec: ProcessSpec) -> str:
        """The file to execute. A name with a slash is taken as it is, relative to the cwd
        of `spec`; others are searched on PATH. Raises `SpawnError` if PATH has no such."""
        name = spec.argv[0] if spec.argv else ""
        if "/" in name:
            return os.path.join(spec.cwd, name)  # noqa: PTH118
        path = spec.env.get("PATH", os.defpath)
        key = (name, path, spec.cwd)
        found = self._found.get(key)
        if found is None:
            found = _search(name, path, spec.cwd)
            if len(self._found) >= _CACHE_SIZE:
                self._found.clear()
            self._found[key] = found
        return found

    def forget(self, spec: ProcessSpec) -> None:
        """Search PATH anew the next time this command is asked for."""
        self._found.pop((spec.argv[0], spec.env.get("PATH", os.defpath), spec.cwd), None)


def _search(name: str, path: str, cwd: str) -> str:
    if not name:
        raise SpawnError("the command is empty", command=name, errno=errno.ENOENT)
    refused = None
    for entry in path.split(":"):
        candidate = os.path.join(cwd, entry, name)  # noqa: PTH118
        try:
            mode = os.stat(candidate).st_mode  # noqa: PTH116
        except OSError:
            continue
        if stat.S_ISREG(mode):
            if os.access(candidate, os.X_OK):
                return candidate
            refused = refused or candidate
    if refused is not None:
        raise SpawnError(
            f"{name}: found {refused}, but it is not executable",
            command=name,
            errno=errno.EACCES,
        )
    raise SpawnError(
        f"{name}: command not found on PATH ({_shortened(path) or 'which is empty'})",
        command=name,
        errno=errno.ENOENT,
    )


def _shortened(path: str) -> str:
    """The first directories of PATH; of long ones, like those of an activated shell, the rest
    is a number."""
    entries = path.split(":")
    more = len(entries) - _SHOWN
    return path if more <= 1 else f"{':'.join(entries[:_SHOWN])} and {more} more directories"


def explain(spec: ProcessSpec, executable: str, error: OSError | ValueError) -> SpawnError:
    """The `SpawnError` for what the system answered to an attempt to start `spec`."""
    name = spec.argv[0]
    number = getattr(error, "errno", None) or errno.EINVAL
    return SpawnError(
        f"cannot start {name}: {_reason(spec, executable, error, number)}",
        command=name,
        errno=number,
    )


def _reason(spec: ProcessSpec, executable: str, error: Exception, number: int) -> str:
    if isinstance(error, ValueError):
        return "an argument or environment variable holds a NUL byte or an illegal name"
    if number in (errno.EMFILE, errno.ENFILE):
        return "too many open files (raise the limit, see `ulimit -n`, or run fewer at once)"
    if number in (errno.EAGAIN, errno.ENOMEM):
        return f"the system refuses another process now: {os.strerror(number)} (`ulimit -u`)"
    if number == errno.E2BIG:
        return "arguments and environment together are too long for the system"
    if not os.path.isdir(spec.cwd):  # noqa: PTH112
        return f"its working directory {spec.cwd} {_missing(spec.cwd, 'a directory')}"
    if not os.access(spec.cwd, os.X_OK):
        return f"its working directory {spec.cwd} may not be entered"
    for log in (spec.stdout_path, spec.stderr_path):
        if not _can_append(log):
            return f"its log {log} cannot be written: {os.strerror(number)}"
    if not os.path.isfile(executable):  # noqa: PTH113
        return f"{executable} {_missing(executable, 'a file')}"
    if not os.access(executable, os.X_OK):
        return f"{executable} is not executable"
    if number == errno.ENOEXEC:
        return f"{executable} is neither a program of this machine nor a script that begins with #!"
    if number in (errno.ENOENT, errno.EACCES) and (interpreter := _interpreter(executable)):
        return f"{executable} asks for the interpreter {interpreter}, which cannot be executed"
    return f"{executable} could not be started: {os.strerror(number)}"


def _missing(path: str, expected: str) -> str:
    if os.path.isdir(path):  # noqa: PTH112
        return "is a directory"
    return f"is not {expected}" if os.path.lexists(path) else "does not exist"


def _can_append(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    except OSError:
        return False
    return True


def _interpreter(executable: str) -> str:
    try:
        with open(executable, "rb") as script:  # noqa: PTH123
            line = script.readline(512)
    except OSError:
        return ""
    words = line[2:].split() if line.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""
