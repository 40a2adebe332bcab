"""SIGKILL at random moments, then `stoker roadmap resume`: no task twice, none lost."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

import pytest
from roadmap_world import World, git
from test_run import ROADMAP, calculator

RUN = ("run", "ROADMAP.md", "--run-id", "r", "--parallel", "2")
OVER = 30
"""Kills at most; then it is left to finish."""


def stoker(world: World, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "stoker.cli", "roadmap", *words, "--quiet"],
        cwd=world.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.parametrize("seed", range(3))
def test_killed_and_resumed(world: World, seed: int) -> None:
    calculator(world)
    chance = random.Random(seed)
    words: tuple[str, ...] = RUN
    for kill in range(OVER):
        process = stoker(world, *words)
        if kill < OVER - 1:
            time.sleep(0.4 + chance.random() * 2.5)  # the moment is the test's input
            process.kill()
        output, _ = process.communicate(timeout=120)
        if process.returncode != -9:
            break
        if (world.root / ".stoker" / "runs" / "r").exists():
            words = ("resume", "r", "--wait")
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
