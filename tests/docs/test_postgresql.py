"""`docs/operations.md`: with the URL of a database in `STOKER_DB`, the journal is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_command_line_works_on_a_database(postgres_url, tmp_path):
    (tmp_path / ".stoker").mkdir()
    (tmp_path / "plan.yaml").write_text("plan_id: p\nsteps:\n  - {id: a, run: echo hello}\n")

    def stoker(*words: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("stoker"), *words],
            cwd=tmp_path,
            env={**os.environ, "STOKER_DB": postgres_url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "hunter2" not in done.stdout + done.stderr
        return done.stdout

    assert "succeeded" in stoker("run", "plan.yaml", "--run-id", "first")
    assert stoker("logs", "first", "a") == "hello\n"
    assert "first" in stoker("list")
    assert "sound" in stoker("doctor")
    assert not (tmp_path / ".stoker/journal.db").exists()
    assert (tmp_path / ".stoker/runs/first/logs/a.1.out").read_text() == "hello\n"
