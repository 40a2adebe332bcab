"""SIGKILL after random numbers of events, then `stoker roadmap resume`: no task twice."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from roadmap_world import World, git
from test_run import ROADMAP, calculator

FURTHEST = 40
"""Events of the journal from one kill to the next, at most."""
RUN = ("run", "ROADMAP.md", "--run-id", "r", "--parallel", "2")


def stoker(world: World, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "stoker", "roadmap", *words, "--quiet"],
        cwd=world.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def written(state: Path) -> int:
    """How many events the journal holds."""
    if not (state / "journal.db").exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{state}/journal.db?mode=ro", uri=True)) as journal:
            return int(journal.execute("select count(*) from run_events").fetchone()[0])
    except sqlite3.OperationalError:  # it is only being made
        return 0


@pytest.mark.parametrize("seed", range(2))
def test_killed_and_resumed(world: World, seed: int) -> None:
    calculator(world)
    chance = random.Random(seed)
    words: tuple[str, ...] = RUN
    state = world.root / ".stoker"
    kills = 0
    while True:
        until = written(state) + chance.randint(1, FURTHEST)
        process = stoker(world, *words)
        while process.poll() is None and written(state) < until:
            time.sleep(0.005)
        process.kill()
        output, _ = process.communicate(timeout=120)
        if process.returncode != -9:
            break
        kills += 1
        if (state / "runs" / "r").exists():
            words = ("resume", "r", "--wait")
    assert kills
    assert process.returncode == 0, output.decode()

    branch = "roadmap/calculator"
    assert sorted(world.log(branch)) == [
        "executor(1.1.1): Add addition",
        "executor(1.1.2): Add subtraction",
        "executor(1.1.4): Multiply",
    ]
    ticked = ROADMAP.replace(b"- [ ] **", b"- [x] **")
    assert (world.root / "ROADMAP.md").read_bytes() == ticked
    assert world.show(branch, "add.py").endswith("a + b")
    assert git(world.root, "status", "--porcelain") == "M ROADMAP.md"
    assert git(world.root, "branch", "--format=%(refname:short)").split() == ["main", branch]
    assert git(world.root, "worktree", "list").count("\n") == 0
    # A turn that was begun is gone on with, not begun anew.
    tries = [(task, number) for task, number, _ in world.prompts]
    assert set(tries) == {("1.1.1", 1), ("1.1.1", 2), ("1.1.2", 1), ("1.1.4", 1)}


def test_resuming_a_run_that_is_over_writes_what_a_crash_has_kept_from_being_written(
    world: World,
) -> None:
    calculator(world)
    assert stoker(world, *RUN).wait(120) == 0
    files = [world.root / ".executor" / name for name in ("state.json", "project-memory.json")]
    before = [json.loads(file.read_bytes()) for file in files]
    for file in files:
        file.unlink()
    assert stoker(world, "resume", "r").wait(60) == 0
    state, memory = (json.loads(file.read_bytes()) for file in files)
    assert state["tasks"] == before[0]["tasks"]
    assert memory["runs"] == before[1]["runs"]
