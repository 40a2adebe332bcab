"""What a decision asks of the world. The machine returns these; the run carries them out,
always after the events of the same decision are durable."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Gate = Literal["files", "locks", "circuit"]
"""What must be asked of the world before a step may start: are its outputs up to date,
are its locks free, is its tool's circuit closed."""

TimerKind = Literal["timeout", "step_limit", "run_limit", "backoff", "approval", "circuit"]


class Start(Struct, frozen=True):
    """Begin an attempt. `resumed`: go on with the very attempt a dead engine began."""

    step: int
    number: int
    resumed: bool = False


class Stop(Struct, frozen=True):
    """End the running attempt of a step, its whole process tree."""

    step: int


class Ask(Struct, frozen=True):
    """Find out whether a gate is open; the answer comes back as a fact."""

    step: int
    gate: Gate


class ReleaseLocks(Struct, frozen=True):
    step: int


class ReportTool(Struct, frozen=True):
    """Tell the circuit breaker how an attempt of a step with this tool ended."""

    step: int
    tool: str
    succeeded: bool


class Answered(Struct, frozen=True):
    """A question of the attempt under way has its answer."""

    step: int


class SetTimer(Struct, frozen=True):
    kind: TimerKind
    step: int
    """-1 for the run."""
    delay_sec: float


class ClearTimers(Struct, frozen=True):
    step: int
    kinds: tuple[TimerKind, ...]


class RecordFiles(Struct, frozen=True):
    """A step with `outputs_files` succeeded: remember what it read and wrote."""

    step: int


Effect = (
    Start | Stop | Ask | Answered | ReleaseLocks | ReportTool | SetTimer | ClearTimers | RecordFiles
)
