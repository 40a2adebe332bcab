"""What to execute and how it ended: the words between a caller and the spawner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

MARKER = "STOKER_ATTEMPT"
"""Environment variable every child carries, such as `realm/run/step/attempt`, inherited by
all its descendants: how survivors are found, also double-forked ones."""


SEPARATOR = "//"
"""Between the markers of attempts one within the other, the outermost first: an attempt of
an engine that was itself started by an attempt belongs to both."""


class ProcessSpec(Struct, frozen=True, kw_only=True):
    """A command line to execute directly, without a shell."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment; nothing is inherited beside it."""
    cwd: str
    stdout_path: str
    stderr_path: str
    marker: str
    """Value of `MARKER`, set by the spawner: `a/b/1`, neither empty nor with empty components.
    It comes after the one that `env` may hold, see `lineage`."""
    stdin: bytes | None = None
    keeper_dir: str | None = None
    """Run under a keeper that outlives this process and records the exit status there."""
    stdin_file: bool = False
    """Under a keeper: stdin is what the file `stdin` in `keeper_dir` holds and whatever is
    appended to it, each byte once, until there is a file `stdin.end` beside it. Who appends
    may die at any time: the file says what the process has been told. Excludes `stdin`."""
    nice: int = 0
    """Under a keeper: how far others come before it when the processor is short, 0 to 19."""
    grace_sec: float = 5.0
    """Between asking the process tree to end (SIGTERM) and ending it (SIGKILL)."""


def lineage(spec: ProcessSpec) -> str:
    """Value of `MARKER` in the environment of `spec`: the markers of the attempts around it,
    which `env` has inherited, and its own as the last."""
    around = spec.env.get(MARKER)
    return f"{around}{SEPARATOR}{spec.marker}" if around else spec.marker


class Exit(Struct, frozen=True, kw_only=True):
    """How a process ended. Exactly one of `code` and `signal` is set, or neither if the
    process is gone and nothing recorded its end."""

    code: int | None = None
    signal: int | None = None
    cause: Literal["exited", "stopped", "lost"] = "exited"
    """`stopped`: this side ended it."""

    @property
    def exit_code(self) -> int | None:
        """As a shell reports it: 128 + N for signal N."""
        return self.code if self.signal is None else 128 + self.signal

    def why(self) -> str | None:
        """The reason it did not succeed, or None."""
        if self.code == 0 and self.cause != "lost":
            return None
        if self.signal is not None:
            import signal

            try:
                name = signal.Signals(self.signal).name
            except ValueError:
                name = str(self.signal)
            return f"ended by signal {name}"
        return f"exit code {self.code}" if self.code is not None else "its end was not recorded"
