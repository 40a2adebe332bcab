"""What is said of verification before a run begins."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shell_world import Shell, plan


def test_tests_that_cannot_be_run_are_told_of_before_any_task(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("One", "Two"))
    told = shell.roadmap("run", "ROADMAP.md", "--test-command", "no-such-program test")
    said = "verification: work cannot be tested by no-such-program test: no-such-program cannot be"
    assert told.count(said) == 1
    assert told.count("done-unverified in") == 2
    assert "it could not be tested: no-such-program is not there" in shell.roadmap("review")


def test_nothing_is_told_of_what_can_be_run(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("One"))
    assert "cannot be tested" not in shell.roadmap("run", "ROADMAP.md")


def test_a_mode_that_runs_nothing_needs_no_program(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("One"))
    words = ("--verify-mode", "skip", "--test-command", "no-such-program")
    assert "verification:" not in shell.roadmap("run", "ROADMAP.md", *words)
    told = shell.roadmap("run", "ROADMAP.md", "--verify-mode", "pytset", code=2)
    assert "verify: expected auto, agent, skip or one of pytest, unittest" in told
    assert "found pytset" in told


def test_that_there_is_no_sandbox_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda one, **how: None if one == "bwrap" else which(one, **how)
    )
    shell.begin(ROADMAP__md=plan("One", "Two"))
    told = shell.roadmap("run", "ROADMAP.md", "--run-id", "r")
    assert told.count("verification: bubblewrap is not installed") == 1, told
    review = shell.roadmap("review")
    assert review.count("note: bubblewrap is not installed") == 2
    logs = Path(shell.root, ".stoker").rglob("logs/verify.*.err")
    assert any("bubblewrap is not installed" in path.read_text() for path in logs)
