"""Running programs one after the other and saying what each took."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

CORES = 2
_TICKS = os.sysconf("SC_CLK_TCK")
_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name[:6] != "PYTHON" or name == "PYTHONPATH"
}
"""Without settings such as PYTHONDONTWRITEBYTECODE, which makes every start compile anew."""


class Failed(Exception):
    """A program that was to be measured did not do its work."""


class Sample(Struct, frozen=True):
    """What one run of a program took, from before its start to its end."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all its processes, user and system."""
    own_cpu: float
    """Of these, the seconds of the program itself, without its children."""
    peak: int
    """Bytes of memory of its largest process; 0 if that is no more than this process has: the
    kernel counts what a child shares with its parent before exec."""


class Case(Struct, frozen=True):
    """A program to be measured."""

    name: str
    prepare: Callable[[Path], Sequence[str | Path]]
    """Writes its input into an empty directory; returns its command line."""
    rounds: int | None = None
    """At most so many rounds: it is slow."""
    exit_code: int = 0


def use_cores(count: int = CORES) -> None:
    """Keep this process and all it starts on so many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def run(argv: Sequence[str | Path], folder: Path, *, exit_code: int = 0) -> Sample:
    """Run a program in `folder`. Raises `Failed` if it ends with another exit code."""
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - began
    own = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != exit_code:
        words = " ".join(str(word) for word in argv)
        raise Failed(f"{words}: exit {process.returncode}: {log.read_text()[-2000:]}")
    return Sample(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        own_cpu=(int(own[11]) + int(own[12])) / _TICKS,
        peak=usage.ru_maxrss * 1024 if usage.ru_maxrss > mine else 0,
    )


class Samples(Struct, frozen=True):
    """All rounds of one case."""

    rounds: list[Sample]

    def median(self, field: str) -> float:
        return statistics.median(getattr(sample, field) for sample in self.rounds)

    def ratio(self, other: Samples, field: str = "wall") -> float:
        """The median ratio to `other` in the same round: what disturbed both cancels out."""
        pairs = zip(self.rounds, other.rounds, strict=False)
        return statistics.median(getattr(a, field) / getattr(b, field) for a, b in pairs)


class Bench:
    """Measures cases in fresh directories beneath `folder`, which nobody empties before the
    end: creating files soon after many were deleted is slow on ext4."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self._made = 0

    def fresh(self) -> Path:
        """A new directory."""
        self._made += 1
        path = self.folder / f"{self._made:05}"
        path.mkdir()
        return path

    def interleave(
        self, title: str, cases: Sequence[Case], *, rounds: int | None = None
    ) -> dict[str, Samples]:
        """Every case once a round, each time beginning with another; by name."""
        found: dict[str, Samples] = {case.name: Samples([]) for case in cases}
        for number in range(rounds or self.rounds):
            shift = number % len(cases)
            for case in (*cases[shift:], *cases[:shift]):
                if case.rounds is not None and number >= case.rounds:
                    continue
                folder = self.fresh()
                argv = case.prepare(folder)
                sample = run(argv, folder, exit_code=case.exit_code)
                found[case.name].rounds.append(sample)
                note(f"{title}: {case.name} {sample.wall:.3f} s")
        return found


def note(text: str) -> None:
    """Progress, for who waits."""
    print(text, file=sys.stderr, flush=True)
