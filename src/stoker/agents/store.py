"""Where the attempt of an agent keeps its files, and what makes them survive a crash.

    stream      the normalised stream, see `stoker.agents.stream`; only appended to
    inbox       what the agent is told from outside, see `stoker.agents.inbox`
    checkpoint  what the driver has done so far
    keeper/     of the agent's process; `keeper/stdin` is all the agent has been told; should
                another be started in its place, that has `keeper.2/`

A step of the driver is written to the checkpoint first, together with what it adds to
`stream` and `keeper/stdin` and where that begins, and then carried out. Whoever goes on
after a crash carries it out again from where the files end: nothing is lost or comes twice.
"""

from __future__ import annotations

import os
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.agents.slots import Slots
from stoker.engine.attempt import file_name

STREAM: Final = "stream"


class Checkpoint(Struct, kw_only=True):
    """A step of the driver, and where all stands after it."""

    state: msgspec.Raw
    """Of the adapter, MessagePack."""
    keeper: str = "keeper"
    """Directory of the process's keeper, from the attempt's; that of another attempt if the
    process was taken over from there."""
    stdout: str = ""
    stderr: str = ""
    """Its logs, if they are another attempt's."""
    stdout_offset: int = 0
    """Bytes of the agent's stdout that are dealt with; at the end of a line."""
    inbox_offset: int = 0
    stream_offset: int = 0
    """Bytes of the stream before this step."""
    stdin_offset: int = 0
    records: bytes = b""
    """What this step adds to the stream."""
    outgoing: bytes = b""
    """And to the agent's stdin."""
    log_offset: int = 0
    logged: bytes = b""
    """And to the attempt's own log, if the process has another."""
    closing: bool = False
    """The agent's stdin ends here."""
    over: bool = False
    """The agent's process is over, and its end dealt with."""


def place(run_directory: str | os.PathLike[str], step_id: str, number: int) -> Path:
    """Directory of an attempt's files; `run_directory` is its run's."""
    return Path(run_directory, "agents", f"{file_name(step_id)}.{number}")


def tried(run_directory: str | os.PathLike[str], step_id: str) -> list[Path]:
    """The directories of a step's attempts that have begun, oldest first."""
    places = (place(run_directory, step_id, number) for number in count(1))
    return list(takewhile(lambda one: (one / STREAM).exists(), places))


class Store:
    """The files of one attempt."""

    def __init__(self, directory: Path, log: str = "") -> None:
        """`log`: the attempt's."""
        self.directory = directory
        self._log = Path(log)
        self.stream = directory / STREAM
        self.inbox = directory / "inbox"
        self._checkpoint = Slots(directory / "checkpoint")

    def create(self) -> None:
        """Make what is missing; readable by the owner only."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in (self.stream, self.inbox):
            file.touch(mode=0o600)

    def keeper(self, checkpoint: Checkpoint) -> Path:
        """The directory of the process's keeper."""
        return self.directory / checkpoint.keeper

    def another(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Where the process that is started next stands."""
        changes: dict[str, Any] = {"over": False, "closing": False, "stdin_offset": 0}
        if not checkpoint.stdout:
            return changes | {"keeper": "keeper.2"}
        end = checkpoint.log_offset + len(checkpoint.logged)
        return changes | {"keeper": "keeper", "stdout": "", "stderr": "", "stdout_offset": end}

    def last(self) -> Checkpoint | None:
        """The last step; None if the driver has not begun."""
        data = self._checkpoint.read()
        return None if data is None else msgspec.msgpack.decode(data, type=Checkpoint)

    def read(self) -> Checkpoint | None:
        """As `last`. What that step was to do has been done afterwards."""
        checkpoint = self.last()
        if checkpoint is not None:
            self._carry_out(checkpoint)
        return checkpoint

    def write(self, checkpoint: Checkpoint) -> None:
        """Take a step."""
        self._checkpoint.write(msgspec.msgpack.encode(checkpoint))
        self._carry_out(checkpoint)

    def _carry_out(self, checkpoint: Checkpoint) -> None:
        _complete(self.stream, checkpoint.stream_offset, checkpoint.records)
        _complete(self._log, checkpoint.log_offset, checkpoint.logged)
        keeper = self.keeper(checkpoint)
        keeper.mkdir(mode=0o700, exist_ok=True)
        _complete(keeper / "stdin", checkpoint.stdin_offset, checkpoint.outgoing)
        if checkpoint.closing:
            (keeper / "stdin.end").touch()


def _complete(file: Path, offset: int, data: bytes) -> None:
    """Have the file hold `data` from `offset` on, where it ends; some may be there."""
    if not data:
        return
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Shorter than it was only after a power failure: nothing is there then to go on from.
        rest = memoryview(data)[max(0, os.fstat(descriptor).st_size - offset) :]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)
