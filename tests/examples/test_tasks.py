"""The example `examples/tasks`, as its README says to run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "tasks" / "demo.py"


def git(repository: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", "-C", repository, *args], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_three_agents_compete_and_the_best_is_merged(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("STOKER_")}
    done = subprocess.run(
        [sys.executable, DEMO, tmp_path / "demo"],
        capture_output=True,
        text=True,
        check=False,
        env=env,
        timeout=120,
    )
    log = (tmp_path / "demo" / "server.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log
    said, _, table = done.stdout.partition("\n\n")
    for agent, text in (("BRIEF", "split() knows"), ("HASTY", "replacement"), ("THOROUGH", "word")):
        assert any(f"SCRIPTED:{agent} |" in line and text in line for line in said.splitlines())
    rows = {line.split("|")[0].strip(): line for line in table.splitlines() if "|" in line}
    assert "fails the check" in rows["SCRIPTED:HASTY"]
    assert "fit" in rows["SCRIPTED:THOROUGH"]
    assert "merged SCRIPTED:BRIEF" in table
    repository = tmp_path / "demo" / "repository"
    assert '"-".join(title.lower().split())' in git(repository, "show", "main:slug.py")
    assert len(git(repository, "branch", "--list", "stoker/*").splitlines()) == 3
    assert len(git(repository, "worktree", "list").splitlines()) == 1
