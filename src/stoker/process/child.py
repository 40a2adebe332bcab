"""A running process: how it is stopped, and how its end is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from stoker.process.spec import Exit
from stoker.process.tree import Ending

if TYPE_CHECKING:
    from stoker.process.pipes import Pipes
    from stoker.process.spawner import Spawner

OnExit = Callable[[Exit], None]


class Child:
    """A running process and the tree beneath it. Made by `Spawner`."""

    def __init__(
        self,
        spawner: Spawner,
        pid: int,
        pidfd: int,
        *,
        marker: str,
        grace: float,
        on_exit: OnExit,
        logs: tuple[str, ...] = (),
        pipes: Pipes | None = None,
    ) -> None:
        """Takes over `pidfd` and `pipes`. `logs`: paths that `spawner.bounds` looks after."""
        self.pid = pid
        self._spawner = spawner
        self._pidfd = pidfd
        self._marker = marker
        self._grace = grace
        self._on_exit = on_exit
        self._logs = logs
        self._pipes = pipes
        self._ending: Ending | None = None
        self._stopped = False
        self._exited = False
        self._over = False
        spawner.watch(pidfd, self._ready)

    def stop(self, grace: float | None = None) -> None:
        """End the whole tree: SIGTERM, and SIGKILL after `grace` seconds (default: the
        spec's). Returns at once; `on_exit` is called with cause `stopped` when nobody is
        left. Again with a shorter grace: sooner. After the end: nothing."""
        if self._over:
            return
        self._stopped = True
        if grace is None:
            grace = self._grace
        if self._ending is None:
            self._ending = self._end_tree(grace)
        else:
            self._ending.hasten(grace)

    def _end_tree(self, grace: float) -> Ending:
        return Ending(self._spawner.sweeper, self._marker, self._gone, grace=grace, group=self.pid)

    def _ready(self) -> None:
        """The process is over, and not yet reaped: its pid is still taken."""
        if self._over:
            return
        self._exited = True
        if self._ending is not None and self._ending.active:
            self._spawner.unwatch(self._pidfd)
        else:
            self._finish()

    def _gone(self) -> None:
        """Nobody else is left of the tree."""
        if self._exited:
            self._finish()

    def _finish(self) -> None:
        exit_ = Exit(cause="lost")
        try:
            exit_ = self._reap()
            if self._pipes is not None:
                self._pipes.finish()
            if self._spawner.bounds is not None:
                self._spawner.bounds.discard(*self._logs)
        except Exception as error:
            # Whatever it is, `on_exit` is waited for, and this is called no second time.
            self._spawner.report(error)
        self._spawner.unwatch(self._pidfd)
        os.close(self._pidfd)
        self._over = True
        self._on_exit(exit_)

    def _reap(self) -> Exit:
        # While the zombie holds the pid, no other group can have its number.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        try:
            status = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except ChildProcessError:
            status = None
        if status is None:
            # Somebody else in this process waited for it.
            return Exit(cause="stopped" if self._stopped else "lost")
        cause: Literal["stopped", "exited"] = "stopped" if self._stopped else "exited"
        if status.si_code == os.CLD_EXITED:
            return Exit(code=status.si_status, cause=cause)
        return Exit(signal=status.si_status, cause=cause)
