"""What hosts do to a run: kills, a full disk, another executor at the same file; and rollback."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec.structs import replace

from benchmarks.roadmaps.campaign import Cell, judge, settings, stoker
from benchmarks.roadmaps.item import Item
from benchmarks.roadmaps.policies import Agent, ModelServer
from benchmarks.roadmaps.project import PLAN, Project

_RUN = ("run", PLAN, "--agent", "BUILTIN", "--run-id", "killed")
_RESUME = ("resume", "killed", "--wait")
_KILL_AT = str(Path(__file__).with_name("kill_at.py"))
_DISK = 64 << 20
_LEFT = 1 << 20
"""Bytes, of which the run fills more."""


@contextmanager
def _world(
    items: Sequence[Item], agent: Agent, place: Path | None = None
) -> Iterator[tuple[Project, dict[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="roadmap-") as folder, ModelServer(agent) as server:
        project = Project((place or Path(folder)) / "repository", items)
        yield project, settings(Path(folder), server)


def killed(items: Sequence[Item], seed: int, *, kills: int = 3) -> Cell:
    """Kill the engine `kills` times at random instants, resuming each time, then let it end."""
    rng, agent, done = random.Random(seed), Agent(), 0
    with _world(items, agent) as (project, environment):
        words: tuple[str, ...] = (*_RUN, "--parallel", "2")
        for _ in range(kills):
            process = _begin(project, environment, *words)
            try:
                process.wait(rng.uniform(0.3, 6))
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                done += 1
            words = _RESUME if (project.root / ".stoker" / "runs" / "killed").exists() else words
        _go_on(project, environment)
        return judge(f"killed {done} times, seed {seed}", project, agent)


def killed_everywhere(items: Sequence[Item]) -> Cell:
    """Kill the engine before and after each commit to the journal, each lease and lock that it
    takes, and each process that it spawns, each time in a run of its own, and resume it."""
    cells: list[Cell] = []
    for what in ("commit", "lease", "lock", "spawn"):
        for place in itertools.count(2):
            number, when = place // 2, ("before", "after")[place % 2]
            if (cell := killed_at(items, what, number, when)) is None:
                break
            cells.append(cell)
    return _together(f"killed at {len(cells)} places", cells)


def killed_at(items: Sequence[Item], what: str, number: int, when: str) -> Cell | None:
    """Kill the engine before or after its `number`-th commit, lease, lock or spawn, and resume it.
    None: it has not so many."""
    agent = Agent()
    with _world(items, agent) as (project, environment):
        by = (_KILL_AT, what, str(number), when)
        if stoker(project, environment, *_RUN, by=by, expected=(0, -signal.SIGKILL)) == 0:
            return None
        _go_on(project, environment)
        return judge(f"killed {when} {what} {number}", project, agent)


def _go_on(project: Project, environment: dict[str, str]) -> None:
    """Resume, or begin if it had not begun."""
    if stoker(project, environment, *_RESUME, expected=(0, 1, 2, 3)) == 2:
        stoker(project, environment, *_RUN)


def _together(name: str, cells: Sequence[Cell]) -> Cell:
    return Cell(
        name,
        tuple(one for cell in cells for one in cell.outcomes),
        all(cell.intact for cell in cells),
        all(cell.minimal for cell in cells),
        all(cell.once for cell in cells),
        sum(cell.unheard for cell in cells),
    )


def _begin(project: Project, environment: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "stoker", "roadmap", *words],
        cwd=project.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def two_executors(items: Sequence[Item]) -> Cell:
    """Two runs of one file at once."""
    agent = Agent()
    with _world(items, agent) as (project, environment), ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(_begin(project, environment, "run", PLAN, "--agent", "BUILTIN"))
        stack.close()
        return judge("two executors", project, agent)


def full_disk(items: Sequence[Item]) -> Cell | None:
    """The disk becomes full in the middle; once there is room again, the run is gone on with.
    None: no file system can be mounted here."""
    with tempfile.TemporaryDirectory(prefix="roadmap-disk-") as place:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", place]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            return None
        filler = Path(place, "filler")

        def fill(item: Item) -> None:
            if item is not items[-1]:
                return
            with filler.open("wb", buffering=0) as file:
                try:
                    while file.write(b"\0" * 65536):
                        pass
                except OSError:
                    return

        try:
            agent = Agent(on_first=fill)
            with _world(items, agent, Path(place)) as (project, environment):
                stoker(project, environment, *_RUN, expected=range(-64, 128))
                if not filler.exists():
                    raise RuntimeError("the disk was never full")
                filler.unlink()
                if stoker(project, environment, *_RESUME, expected=(0, 1, 2, 3)) == 2:
                    retry = ("run", PLAN, "--agent", "BUILTIN", "--retry-failed")
                    stoker(project, environment, *retry)
                return judge("full disk", project, agent)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


def rolled_back(items: Sequence[Item]) -> Cell:
    """Take back every task, the last first: the tree is the one that it began with, no box is
    ticked, and what is the user's is left alone."""
    agent = Agent()
    with _world(items, agent) as (project, environment):
        stoker(project, environment, "run", PLAN, "--agent", "BUILTIN")
        found = judge("rollback of all", project, agent)
        for number in range(len(items), 0, -1):
            stoker(project, environment, "rollback", "--task", f"1.{number}.1", expected=(0,))
        tree = project.git("rev-parse", f"{project.branch}^{{tree}}")
        return replace(
            found,
            intact=tree == project.git("rev-parse", "main^{tree}")
            and project.untouched() == project.before,
            minimal=(project.root / PLAN).read_bytes() == project.plan_before,
        )
