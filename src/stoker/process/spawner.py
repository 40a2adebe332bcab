"""Starting processes and hearing of their end: the hot path.

A process is started by posix_spawn; its logs are opened in the child, so no byte it
writes passes through here, and its end is heard from a pidfd. There is no thread, task
or await for it. Every process leads a session of its own.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from stoker.process.child import Child, OnExit
from stoker.process.resolve import Resolver, SpawnError, explain
from stoker.process.spec import MARKER, Exit, ProcessSpec, lineage
from stoker.process.tree import Sweeper

if TYPE_CHECKING:
    from stoker.process.logs import LogBounds
    from stoker.process.pipes import Pipes
    from stoker.process.redact import Redactor

__all__ = ["Child", "SpawnError", "Spawner"]

_ROUNDS = 4
LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_DEFAULTS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
"""All, since what this process ignores may change; libc looks at each of them anyway."""
_NULL = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)


class Spawner:
    """Starts processes on one event loop. `bounds` keeps their logs bounded, if given."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, bounds: LogBounds | None = None) -> None:
        self.loop = loop
        self.bounds = bounds
        self.sweeper = Sweeper(loop)
        self.resolver = Resolver()
        # One descriptor for the loop to look at: its own readers cost several times more.
        self._epoll: select.epoll | None = None
        self._watched: dict[int, Callable[[], None]] = {}
        self._turns: dict[Callable[[], None], None] = {}
        self._polling = False

    def watch(self, pidfd: int, on_over: Callable[[], None]) -> None:
        """Call `on_over` when the process of `pidfd` is over, until `unwatch`."""
        if self._epoll is None:
            self._epoll = select.epoll()
            self.loop.add_reader(self._epoll.fileno(), self._poll)
        self._epoll.register(pidfd, select.EPOLLIN)
        self._watched[pidfd] = on_over

    def unwatch(self, pidfd: int) -> None:
        """Undo `watch`, before `pidfd` is closed; nothing if it has been undone."""
        if self._epoll is not None and self._watched.pop(pidfd, None) is not None:
            self._epoll.unregister(pidfd)

    def close(self) -> None:
        """Hear of no process any more. Those that run are left alone."""
        if self._epoll is not None:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
        self._watched.clear()

    def soon(self, turn: Callable[[], None]) -> None:
        """Call `turn` when all that were found to be over together have been told of: once,
        however often it is asked for. It must not raise."""
        if not self._turns and not self._polling:
            self.loop.call_soon(self._take_turns)
        self._turns[turn] = None

    def _take_turns(self) -> None:
        turns, self._turns = self._turns, {}
        for turn in turns:
            turn()

    def _poll(self) -> None:
        # While one end is dealt with, the next has often come: asking for it is cheaper than
        # another turn of the loop. Not for ever: others wait for their turn, too.
        for _ in range(_ROUNDS):
            ready = self._epoll.poll(0) if self._epoll is not None else ()
            if not ready:
                return
            self._polling = True
            for pidfd, on_over in [(pidfd, self._watched[pidfd]) for pidfd, _ in ready]:
                try:
                    on_over()
                except Exception as error:
                    # The others are to hear of theirs, and this one not again and again.
                    if self._watched.get(pidfd) is on_over:
                        self.unwatch(pidfd)
                    self.report(error)
            self._polling = False
            self._take_turns()

    def report(self, error: Exception) -> None:
        """Tell the loop's exception handler of what no caller is there to catch."""
        self.loop.call_exception_handler(
            {"message": "the end of a process could not be dealt with", "exception": error}
        )

    def spawn(
        self,
        spec: ProcessSpec,
        on_exit: OnExit,
        redactor: Redactor | None = None,
        *,
        pipes: Pipes | None = None,
    ) -> Child:
        """Start `spec`; `on_exit` is called on the loop, once, when it is over.

        Both logs are appended to (mode 0600). What is left of the process's group when
        it ends is killed. With a `redactor` that holds secrets, output passes through
        this process and reaches the logs redacted. `pipes` takes the place of the logs
        altogether. Raises `SpawnError`; then nothing was started and `pipes` are closed.
        """
        if spec.keeper_dir is not None:
            from stoker.process.keeper import keep

            return keep(self, spec, on_exit, redactor)
        executable = ""
        stdin = -1
        try:
            executable = self.resolver.resolve(spec)
            if redactor and pipes is None:
                from stoker.process.pipes import logged

                pipes = logged(self.loop, spec.stdout_path, spec.stderr_path, redactor)
            if spec.stdin is not None:
                stdin = memory_file(spec.stdin)
            pid = self._start(spec, executable, stdin, pipes)
        except (OSError, ValueError, SpawnError) as error:
            if pipes is not None:
                pipes.close()
            if isinstance(error, SpawnError):
                raise
            raise explain(spec, executable, error) from error
        finally:
            if stdin >= 0:
                os.close(stdin)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            # No descriptor left to hear of its end with: it must not go on unheard.
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if pipes is not None:
                pipes.close()
            raise explain(spec, executable, error) from error
        logs = (spec.stdout_path, spec.stderr_path)
        if pipes is not None:
            pipes.start()
        if self.bounds is not None:
            self.bounds.add(*logs)
        return Child(
            self,
            pid,
            pidfd,
            marker=spec.marker,
            grace=spec.grace_sec,
            on_exit=on_exit,
            logs=logs,
            pipes=pipes,
        )

    def adopt(self, keeper_dir: str, on_exit: OnExit) -> Child | Exit | None:
        """Go on with a process that a keeper has kept for an engine that is no more.

        Still running: its `Child`; `on_exit` will be called. Over: its `Exit`. None: the
        keeper died before it recorded an end, or never began; processes of the attempt
        may be left (`tree.end_all`).
        """
        from stoker.process.keeper import adopt

        return adopt(self, keeper_dir, on_exit)

    def _start(self, spec: ProcessSpec, executable: str, stdin: int, pipes: Pipes | None) -> int:
        env = {**spec.env, MARKER: lineage(spec)}
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]]
        actions = [_NULL if stdin < 0 else (os.POSIX_SPAWN_DUP2, stdin, 0)]
        if pipes is not None:
            actions.append((os.POSIX_SPAWN_DUP2, pipes.stdout, 1))
            actions.append((os.POSIX_SPAWN_DUP2, pipes.stderr, 2))
        else:
            actions.append((os.POSIX_SPAWN_OPEN, 1, spec.stdout_path, LOG_FLAGS, 0o600))
            if spec.stderr_path == spec.stdout_path:
                actions.append((os.POSIX_SPAWN_DUP2, 1, 2))
            else:
                actions.append((os.POSIX_SPAWN_OPEN, 2, spec.stderr_path, LOG_FLAGS, 0o600))
        try:
            if spec.cwd != os.getcwd():  # noqa: PTH109
                from stoker.process.libc import can_spawn_in, spawn_in

                if not can_spawn_in():
                    return _start_elsewhere(spec, executable, env, stdin, pipes)
                return spawn_in(spec.cwd, executable, spec.argv, env, actions, _DEFAULTS)
            return os.posix_spawn(
                executable,
                spec.argv,
                env,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=_DEFAULTS,
            )
        except (FileNotFoundError, PermissionError):
            # Has PATH another such file since it was last searched?
            self.resolver.forget(spec)
            found = self.resolver.resolve(spec)
            if found == executable:
                raise
        return self._start(spec, found, stdin, pipes)


def _start_elsewhere(
    spec: ProcessSpec, executable: str, env: dict[str, str], stdin: int, pipes: Pipes | None
) -> int:
    """For a libc whose posix_spawn cannot change the directory (glibc before 2.29): chdir
    would change it for every thread, Popen does so in the child. Signals that this process
    blocks, or ignores otherwise than Python itself does, stay so in the child here."""
    import subprocess

    opened = []
    try:
        if pipes is not None:
            stdout, stderr = pipes.stdout, pipes.stderr
        else:
            stdout = os.open(spec.stdout_path, LOG_FLAGS | os.O_CLOEXEC, 0o600)
            opened.append(stdout)
            stderr = os.open(spec.stderr_path, LOG_FLAGS | os.O_CLOEXEC, 0o600)
            opened.append(stderr)
        process = subprocess.Popen(
            spec.argv,
            executable=executable,
            env=env,
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL if stdin < 0 else stdin,
            stdout=stdout,
            stderr=stderr,
            close_fds=False,
            start_new_session=True,
        )
    except subprocess.SubprocessError as error:
        raise OSError(None, str(error)) from error
    finally:
        for fd in opened:
            os.close(fd)
    process.returncode = 0  # Reaped by `Child`; Popen must neither wait nor warn.
    return process.pid


def memory_file(data: bytes) -> int:
    """A file descriptor to read `data` from, backed by no file system."""
    fd = os.memfd_create("stdin")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd
