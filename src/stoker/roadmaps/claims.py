"""Who works at a roadmap's branch: one engine at a time, wherever it keeps its journal.

A claim is a file in the repository's git directory, which all its worktrees share; an engine holds
it locked for as long as it drives a run of that branch. The lock of one that was killed is gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from stoker.roadmaps.integration import lock_file
from stoker.workspace import locks
from stoker.workspace.repository import Repository


class Holder(Struct, frozen=True, kw_only=True):
    """Who has a claim."""

    run: str
    pid: int
    state: str
    """The state directory."""

    def __str__(self) -> str:
        return f"run {self.run} (process {self.pid}, state directory {self.state})"


class Claims:
    """Those of one engine, which may have several runs of a branch."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._held: dict[Path, tuple[int, set[str]]] = {}
        self._asked: dict[Path, asyncio.Lock] = {}

    async def take(
        self, repository: Repository, branch: str, run: str, say: Callable[[str], None]
    ) -> None:
        """Have a claim for a run; for one that another engine has wait, which `say` is told."""
        file = _file(repository, branch)
        async with self._asked.setdefault(file, asyncio.Lock()):
            if file not in self._held:
                fd = locks.open_file(file)
                if not locks.try_lock(fd):
                    say(f"waiting: {holder(repository, branch)} works at {branch}\n")
                    await locks.wait(fd)
                self._held[file] = fd, {run}
                mine = Holder(run=run, pid=os.getpid(), state=str(self._state))
                locks.write(fd, msgspec.json.encode(mine))
            self._held[file][1].add(run)

    def leave(self, run: str) -> None:
        """What was claimed for a run alone is free."""
        for file, (fd, runs) in list(self._held.items()):
            runs.discard(run)
            if not runs:
                del self._held[file]
                os.close(fd)

    def close(self) -> None:
        """All is free."""
        for run in {run for _, runs in self._held.values() for run in runs}:
            self.leave(run)


def holder(repository: Repository, branch: str) -> Holder | None:
    """Who works at a branch, if anybody does."""
    try:
        file = _file(repository, branch).open("rb")
    except FileNotFoundError:
        return None
    with closing(file):
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return msgspec.json.decode(file.read(), type=Holder)
            except msgspec.MsgspecError:  # it has just taken it
                return Holder(run="of another", pid=0, state="unknown")
    return None


def _file(repository: Repository, branch: str) -> Path:
    return lock_file(repository, branch).with_suffix(".claim")
