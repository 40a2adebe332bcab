"""The keeper: runs one command, outlives the engine that asked for it, records its end.

    python -I -S -X utf8 -c "import keeper_main; keeper_main.main()" DIR < request

The request is a marshalled dictionary (see `keeper._request`) with the command's stdin. DIR gets
`keeper.json` when the command runs and `exit.json` when it is over. Started with all
signals blocked, and it leaves them so: only SIGKILL ends it. Standard library only, and
little of it: one of these sits beside every agent at work.
"""

# pathlib, contextlib, typing, json and signal would each cost as much as Python itself (by re
# and enum): an agent starts in 16 ms of the processor's time instead of 45.
# ruff: noqa: PTH100, PTH104, PTH110, PTH118, PTH120, PTH123, SIM105
from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import marshal
import os
import select
import sys
import time
from _json import encode_basestring_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_YOUNG_SEC = 0.25
_INTERVAL_SEC = 0.05
_BLIND_SEC = 0.5
_READ = 65536
_LINGER_SEC = 3.0
"""What a command that was idle gets to end when its stdin has ended."""
_GRACE_SEC = 1.0
"""And to end after SIGTERM."""


def main() -> None:
    """Keep one command; see the module."""
    directory = sys.argv[1]
    with open(0, "rb") as source:
        request = marshal.load(source)  # noqa: S302 - of our own server, in memory
    os.open(os.devnull, os.O_RDONLY)  # Takes the place of the request, descriptor 0.
    stdin = request.pop("stdin")
    outputs = [Output(request["stdout_path"])]
    if request["stderr_path"] != request["stdout_path"]:
        outputs.append(Output(request["stderr_path"]))
    redactor = sibling("redact").Redactor(request["secrets"]) if request["secrets"] else None
    if redactor is not None:
        for output in outputs:
            output.redact(redactor.stream())
    feed = Feed(directory) if request["stdin_file"] else None
    try:
        pid = start(request, stdin, outputs, feed)
    except (OSError, ValueError) as error:
        why = f"stoker: cannot start {request['argv'][0]}: {error}\n"
        outputs[-1].say((redactor.text(why) if redactor else why).encode(errors="replace"))
        code = 127 if isinstance(error, FileNotFoundError) else 126
        record(directory, "exit.json", {"code": code, "signal": None, "time": time.time()})
        return
    if request["nice"]:
        step_back(pid, request["nice"])
    kept = {
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "command_pid": pid,
        "command_started": started(pid),
        "marker": request["marker"],
        "grace_sec": request["grace_sec"],
    }
    try:
        record(directory, "keeper.json", kept)
    except OSError as error:
        complain(f"keeper.json cannot be written: {error}")
    limit = request["log_limit"]
    del request, kept, stdin
    watch(pid, outputs, limit, feed)
    try:
        os.killpg(pid, signal.SIGKILL)  # What is left of its group; the zombie holds the number.
    except PermissionError:
        pass  # A set-user-id member; it is not ours to end.
    _, status = os.waitpid(pid, 0)
    for output in outputs:
        output.finish()
        output.trim(limit)
    killed = os.WIFSIGNALED(status)
    end = {
        "code": None if killed else os.WEXITSTATUS(status),
        "signal": os.WTERMSIG(status) if killed else None,
        "time": time.time(),
    }
    record(directory, "exit.json", end, sync=True)


def start(request: dict[str, Any], stdin: bytes, outputs: list[Output], feed: Feed | None) -> int:
    """Start the command in its own session; returns its pid."""
    os.chdir(request["cwd"])
    if feed is not None:
        source = feed.reading
    elif stdin:
        source = os.memfd_create("stdin")
        with open(os.dup(source), "wb") as file:
            file.write(stdin)
        os.lseek(source, 0, os.SEEK_SET)
    else:
        source = os.open(os.devnull, os.O_RDONLY)
    try:
        return os.posix_spawn(
            request["executable"],
            request["argv"],
            request["env"],
            file_actions=[
                (os.POSIX_SPAWN_DUP2, source, 0),
                (os.POSIX_SPAWN_DUP2, outputs[0].writing, 1),
                (os.POSIX_SPAWN_DUP2, outputs[-1].writing, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    finally:
        os.close(source)
        for output in outputs:
            output.started()


def step_back(pid: int, nice: int) -> None:
    """Let others come first. Where each session has an equal share of the processor, whatever its
    members' niceness (sched(7), autogroup), its share, too, as far as that is allowed."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        with open(f"/proc/{pid}/autogroup", "w") as share:
            share.write(str(nice))
    except OSError:
        pass


def watch(pid: int, outputs: list[Output], limit: int, feed: Feed | None = None) -> None:
    """Return when the command is over; meanwhile pass on its output, bound its logs and feed
    its stdin."""
    poll = select.epoll()
    pidfd = os.pidfd_open(pid)
    poll.register(pidfd, select.EPOLLIN)
    readers = {output.reading: output for output in outputs if output.reading >= 0}
    for fd in readers:
        poll.register(fd, select.EPOLLIN)
    bell = Bell(poll)
    if feed is not None:
        feed.begin(poll, bell)
    due = time.monotonic() + _YOUNG_SEC if limit else None
    while True:
        over = False
        for fd, happened in poll.poll(_timeout(due, feed and feed.due, bell.blind)):
            if fd == pidfd:
                over = True
            elif fd in readers:
                output = readers[fd]
                if not output.read():
                    del readers[fd]
                    if not output.broken:
                        poll.unregister(fd)
            elif feed is not None and fd == feed.writing:
                feed.pass_on(deaf=bool(happened & select.EPOLLERR))
            else:
                bell.heard()
                if limit:
                    due = due or time.monotonic() + _INTERVAL_SEC
        if over:
            return
        if feed is not None and (bell.rung or bell.blind):
            feed.pass_on()
        if feed is not None and feed.due is not None and time.monotonic() >= feed.due:
            feed.press(pid)
        bell.rung = False
        if limit and (bell.blind or (due is not None and time.monotonic() >= due)):
            due = None
            for output in outputs:
                bell.once(output.path)
                output.trim(limit)


def _timeout(*when: Any) -> float | None:
    """Seconds to the first of these times; with True among them, not long."""
    times = [time.monotonic() + _BLIND_SEC if one is True else one for one in when]
    known = [one for one in times if one]
    return max(0.0, min(known) - time.monotonic()) if known else None


class Bell:
    """Rings when a file is written to, or a directory gets one. `blind`: it cannot, for a
    user has few of them, and one has to look from time to time."""

    def __init__(self, poll: select.epoll) -> None:
        self.poll = poll
        self.blind = False
        self.rung = False
        self.inotify: Any = None

    def once(self, path: str) -> None:
        """The next time."""
        try:
            if self.inotify is None:
                self.inotify = sibling("libc").Inotify()
                self.poll.register(self.inotify.fd, select.EPOLLIN)
            self.inotify.once(path)
            self.blind = False
        except OSError:
            self.blind = True

    def heard(self) -> None:
        """It has rung."""
        self.inotify.read()
        self.rung = True


class Feed:
    """The command's stdin, where that is a file which grows, and the pipe it passes through."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.file = os.open(os.path.join(directory, "stdin"), os.O_RDONLY | os.O_CREAT, 0o600)
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.writing, False)
        self.passed = 0
        self.idle = os.path.join(directory, "stdin.idle")
        self.end = os.path.join(directory, "stdin.end")
        self.due: float | None = None
        """When the command has been idle for long enough, or has had its time to end."""
        self.asked = False

    def begin(self, poll: select.epoll, bell: Bell) -> None:
        """The command has its end of the pipe."""
        self.poll, self.bell = poll, bell
        poll.register(self.writing, 0)
        self.pass_on()

    def pass_on(self, *, deaf: bool = False) -> None:
        """Give the command what there is, as far as it takes it; `deaf`: it takes no more."""
        if self.writing < 0:
            return
        self.bell.once(self.directory)  # Before looking, or a write between is missed.
        gone = not os.fstat(self.file).st_nlink  # Nobody can tell it anything any more.
        over = deaf or gone or os.path.exists(self.end)
        try:
            while not deaf and (data := os.pread(self.file, _READ, self.passed)):
                self.passed += os.write(self.writing, data)
        except BlockingIOError:
            self.poll.modify(self.writing, select.EPOLLOUT)
            return
        except BrokenPipeError:
            over = True
        if over:
            os.close(self.writing)
            self.writing = -1
            alone = gone or _seconds(self.end)
            self.due = time.monotonic() + _LINGER_SEC if alone else None
            return
        self.poll.modify(self.writing, 0)
        seconds = _seconds(self.idle)
        self.due = (self.due or time.monotonic() + seconds) if seconds else None

    def press(self, pid: int) -> None:
        """The time has come: end the stdin of a command that nobody has taken up again. Who
        takes it up and who ends it both rename the file, and one of them fails."""
        if self.writing >= 0:
            try:
                os.rename(self.idle, self.end)
            except OSError:
                pass  # Taken up, or all is gone.
            self.pass_on()
        else:
            os.killpg(pid, signal.SIGKILL if self.asked else signal.SIGTERM)
            self.due = None if self.asked else time.monotonic() + _GRACE_SEC
            self.asked = True


def _seconds(path: str) -> float:
    """How long a command may be idle; 0 if that file does not say."""
    try:
        with open(path) as file:
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0


class Output:
    """One output of the command: its log, and the redacting pipe before it if any."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.log = self.writing = os.open(path, _LOG_FLAGS, 0o600)
        self.reading = -1
        self.broken = False
        self.unbounded = False
        self.stream: Any = None

    def redact(self, stream: Any) -> None:
        """Have the command write to a pipe, and its output pass through `stream`."""
        self.stream = stream
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)

    def started(self) -> None:
        """The command has its end of the pipe."""
        if self.writing != self.log:
            os.close(self.writing)

    def read(self) -> int:
        """Pass on what is there; returns how many bytes were read, 0 at the end."""
        data = os.read(self.reading, _READ)
        try:
            self.write(self.stream.feed(data) if data else self.stream.flush())
        except OSError as error:
            # As if the command had written to a log that takes no more.
            complain(f"{self.path}: {error}")
            self.broken = True
            os.close(self.reading)
            return 0
        return len(data)

    def write(self, data: bytes) -> None:
        """Append to the log."""
        while data:
            data = data[os.write(self.log, data) :]

    def say(self, data: bytes) -> None:
        """Append to the log, if it takes any more: the end is recorded all the same."""
        try:
            self.write(data)
        except OSError as error:
            complain(f"{self.path}: {error}")

    def finish(self) -> None:
        """The command is over: pass on what a pipe may hold, without waiting for more."""
        left = 1 << 20 if self.stream and not self.broken else 0
        try:
            while left > 0 and (count := self.read()):
                left -= count
        except BlockingIOError:
            self.say(self.stream.flush())

    def trim(self, limit: int) -> None:
        """Bound the log, where the file system can."""
        if limit and not self.unbounded:
            try:
                sibling("libc").trim(self.path, limit)
            except OSError as error:
                self.unbounded = True  # Told once.
                complain(f"{self.path} cannot be bounded: {error}")


def record(directory: str, name: str, content: dict[str, Any], *, sync: bool = False) -> None:
    """Put a file in place whole."""
    path = os.path.join(directory, name)
    fields = ", ".join(f'"{name}": {_json(value)}' for name, value in content.items())
    with open(path + ".new", "w") as file:
        file.write(f"{{{fields}}}")
        if sync:
            file.flush()
            os.fsync(file.fileno())
    os.rename(path + ".new", path)
    if sync:
        fd = os.open(directory, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


def _json(value: str | float | None) -> str:
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    return "null" if value is None else repr(value)


def complain(text: str) -> None:
    """Say so in the keeper's log, if it takes any more."""
    try:
        os.write(2, f"{text}\n".encode(errors="replace"))
    except OSError:
        pass


def started(pid: int) -> int:
    """When `pid` was started, in clock ticks since boot."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def sibling(name: str) -> Any:
    """A module beside this file that needs nothing but the standard library."""
    place = os.path.dirname(os.path.abspath(__file__))
    if place not in sys.path:
        sys.path.append(place)
    return __import__(name)
