"""From a dependency's exit to its dependent's exec, by the clocks of the two children."""

from __future__ import annotations

import json
import os
import select
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks.measure import Bench, run
from benchmarks.peers import stoker_argv
from benchmarks.table import Row, at_most

_SOURCE = Path(__file__).with_name("clock.c")


def _gaps(outputs: Sequence[str]) -> list[float]:
    """Milliseconds between each child's last word and the next one's first."""
    times = [[int(word) for word in output.split()] for output in outputs]
    return [(after[0] - before[1]) / 1e6 for before, after in pairwise(times)]


def _bare(clock: Path, count: int) -> list[float]:
    """The floor: posix_spawn, a pidfd and epoll."""
    poll = select.epoll()
    read, write = os.pipe()
    for _ in range(count):
        actions = [(os.POSIX_SPAWN_DUP2, write, 1)]
        pid = os.posix_spawn(clock, [clock], os.environ, file_actions=actions)
        pidfd = os.pidfd_open(pid)
        poll.register(pidfd, select.EPOLLIN)
        poll.poll()
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)
    os.close(write)
    with os.fdopen(read) as lines:
        return _gaps(lines.readlines())


def _stoker(clock: Path, count: int, folder: Path) -> list[float]:
    """The same children as a chain of steps."""
    steps = [
        {"id": f"s{number}", "command": str(clock), "depends_on": [f"s{number - 1}"]}
        for number in range(count)
    ]
    steps[0]["depends_on"] = []
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"plan_id": "handover", "steps": steps}))
    run(stoker_argv(plan, 2), folder)
    logs = next(folder.glob(".stoker/runs/*/logs"))
    return _gaps([(logs / f"s{number}.1.out").read_text() for number in range(count)])


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Medians and 99th percentiles; nothing without a C compiler."""
    if shutil.which("cc") is None:
        return []
    count = 20 if quick else 500
    folder = bench.fresh()
    clock = folder / "clock"
    subprocess.run(["cc", "-O2", "-static", "-o", clock, _SOURCE], check=True)
    bare: list[float] = []
    found: list[float] = []
    for _ in range(bench.rounds):
        bare += _bare(clock, count)
        found += _stoker(clock, count, bench.fresh())
    rows = []
    for name, point in (("median", 0.5), ("p99", 0.99)):
        floor, ours = _point(bare, point), _point(found, point)
        goal = at_most("", ours, 2, " ms") if point == 0.5 else ("", None)
        label = f"dependency's exit to dependent's exec, {name}"
        rows.append(Row(measure=label, who="bare spawn", value=floor, unit="ms"))
        rows.append(
            Row(measure=label, value=ours, unit="ms", floor=ours / floor, goal=goal[0], met=goal[1])
        )
    return rows


def _point(values: Sequence[float], point: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[round(point * 1000) - 1]
