"""What a killed engine leaves behind: nested runs nobody goes on with, secrets in files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = "hunter2-secret"


def stoker(directory: Path, *words: str) -> subprocess.Popen[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STOKER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "stoker", *words],
        cwd=directory,
        env={**kept, "STOKER_INPUT_T": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(directory: Path, *words: str) -> str:
    with stoker(directory, *words) as process:
        return process.communicate(timeout=60)[0]


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def killed(directory: Path, policy: str) -> int:
    """Run `outer`, kill its engine in the nested run's step; that step's pid."""
    (directory / ".stoker").mkdir()
    os.mkfifo(directory / "begun")
    script = "echo $TOKEN; test -e go && exit; echo $$ > begun; exec sleep 1000"
    inner = {
        "plan_id": "inner",
        "inputs": {"token": {"secret": True, "required": True}},
        "steps": [{"id": "s", "run": script, "env": {"TOKEN": "${{ inputs.token }}"}}],
    }
    definition = {"type": "plan", "path": "inner.json", "inputs": {"token": "${{ inputs.t }}"}}
    outer = {
        "plan_id": "outer",
        "inputs": {"t": {"secret": True, "required": True}},
        "steps": [{"id": "x", "step_def": definition, "on_interrupt": policy}],
    }
    (directory / "inner.json").write_text(json.dumps(inner))
    (directory / "outer.json").write_text(json.dumps(outer))
    with stoker(directory, "run", "outer.json", "--run-id", "r") as engine:
        pid = int((directory / "begun").read_text())
        engine.send_signal(signal.SIGKILL)
    assert alive(pid)
    (directory / "go").touch()
    return pid


def holding(directory: Path) -> list[Path]:
    """Files of the state directory that hold the secret."""
    files = (path for path in (directory / ".stoker").rglob("*") if path.is_file())
    return [path for path in files if SECRET.encode() in path.read_bytes()]


def runs(directory: Path) -> dict[str, dict]:
    return {run["run_id"]: run for run in json.loads(said(directory, "list", "--json"))}


@pytest.mark.parametrize(("policy", "end"), [("rerun", "succeeded"), ("quarantine", "quarantined")])
def test_the_nested_run_of_a_lost_attempt_is_canceled(tmp_path, policy, end):
    pid = killed(tmp_path, policy)
    output = said(tmp_path, "resume", "r")
    assert not alive(pid)
    found = runs(tmp_path)
    assert found["r"]["status"] == end, output
    abandoned = found["r.x.1"]
    assert abandoned["status"] == "canceled"
    assert "does not go on with it" in abandoned["reason"]
    assert ("r.x.2" in found) == (policy == "rerun")
    if policy == "rerun":
        assert found["r.x.2"]["status"] == "succeeded"
        assert abandoned["finished_at"] <= found["r.x.2"]["created_at"]
    assert holding(tmp_path) == []


def test_canceling_the_parent_of_a_killed_engine_cancels_the_nested_run(tmp_path):
    pid = killed(tmp_path, "rerun")
    output = said(tmp_path, "cancel", "r")
    assert not alive(pid)
    found = {run_id: run["status"] for run_id, run in runs(tmp_path).items()}
    assert found == {"r": "canceled", "r.x.1": "canceled"}, output


def test_what_a_killed_engines_steps_wrote_is_masked_by_the_resume(tmp_path):
    (tmp_path / ".stoker").mkdir()
    os.mkfifo(tmp_path / "begun")
    token = "v=${{ inputs.t }}"
    script = f"test -e go && exit; echo {token} > $STOKER_OUTPUT; echo {token} > $STOKER_EXTEND; "
    script += "echo $$ > begun; exec sleep 1000"
    inputs = {"t": {"secret": True, "required": True}}
    plan = {"plan_id": "p", "inputs": inputs, "steps": [{"id": "a", "run": script}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with stoker(tmp_path, "run", "plan.json", "--run-id", "r") as engine:
        (tmp_path / "begun").read_text()
        engine.send_signal(signal.SIGKILL)
    assert len(holding(tmp_path)) == 2
    (tmp_path / "go").touch()
    output = said(tmp_path, "resume", "r")
    assert runs(tmp_path)["r"]["status"] == "succeeded", output
    assert holding(tmp_path) == []
    for name in ("a.1", "a.1.extend"):
        assert (tmp_path / ".stoker/runs/r/outputs" / name).read_text() == "v=***\n"
