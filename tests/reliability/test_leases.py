"""Two engines cannot run the same run, whatever happened to one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from victim import RUN, Victim, wait_for

from stoker.process.survivors import look


@pytest.fixture
def victim(tmp_path, db):
    """A run with a step that waits at a gate; `up` holds the pids of its processes."""
    gate = "echo $$ >> up; read line < gate"
    plan = {
        "plan_id": "p",
        "steps": [
            {"id": "waits", "run": gate},
            {"id": "after", "run": "true", "depends_on": ["waits"]},
        ],
    }
    os.mkfifo(tmp_path / "gate")
    made = Victim(tmp_path, plan, db)
    yield made
    made.close()


def pids(victim: Victim) -> list[int]:
    up = victim.directory / "up"
    return [int(pid) for pid in up.read_text().split()] if up.exists() else []


def open_gate(victim: Victim) -> None:
    with open(victim.directory / "gate", "w") as gate:
        gate.write("\n")


def test_a_run_that_is_being_run_is_refused_to_a_second_engine(victim):
    first = victim.launch()
    wait_for(lambda: running(victim) != [])
    before = victim.query("SELECT COUNT(*) FROM run_events")
    second = victim.launch("resume", RUN)
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 2
    assert f"run {RUN} is being run by process {first.pid}" in said
    assert "Traceback" not in said
    assert victim.query("SELECT COUNT(*) FROM run_events") == before
    open_gate(victim)
    assert first.wait(30) == 0
    victim.verify()


def forget(victim: Victim) -> None:
    """As if the engine ran on another machine and had not renewed its lease for long."""
    ((engine,),) = victim.query("SELECT engine FROM runs")
    engine = json.dumps({**json.loads(engine), "host": "elsewhere"})
    victim.change(f"UPDATE runs SET engine = '{engine}', lease_expires_at = 1")


def test_an_engine_that_slept_through_its_lease_does_nothing_more(victim):
    first = victim.launch()
    wait_for(lambda: len(pids(victim)) == 1 and running(victim) == [("waits", 1)])
    first.send_signal(signal.SIGSTOP)
    forget(victim)
    second = victim.launch("resume", RUN)
    # It ends what the first one left, and runs the step again.
    wait_for(lambda: len(pids(victim)) == 2 and running(victim) == [("waits", 2)])
    before = victim.query("SELECT COUNT(*), MAX(sequence) FROM run_events")
    first.send_signal(signal.SIGCONT)
    said, _ = first.communicate(timeout=30)
    assert first.returncode == 2, said
    assert "lease" in said or "another engine has taken it over" in said
    assert "Traceback" not in said
    assert victim.query("SELECT COUNT(*), MAX(sequence) FROM run_events") == before
    assert look(pids(victim)[1]) is not None, (
        "the engine that was fenced off ended the other's process"
    )
    assert second.poll() is None
    open_gate(victim)
    out, _ = second.communicate(timeout=30)
    assert second.returncode == 0, out
    victim.verify()
    assert victim.query("SELECT status FROM runs") == [("succeeded",)]


def running(victim: Victim) -> list[tuple[str, int]]:
    return victim.query("SELECT step_id, attempt FROM step_attempts WHERE status = 'running'")


def test_many_engines_resume_a_dead_run_at_once_and_one_gets_it(victim):
    first = victim.launch()
    wait_for(lambda: running(victim) != [])
    first.kill()
    first.communicate()
    rivals = [victim.launch("resume", RUN) for _ in range(4)]
    wait_for(lambda: sum(rival.poll() is None for rival in rivals) == 1 and len(pids(victim)) == 2)
    open_gate(victim)
    statuses = sorted(finished(rival) for rival in rivals)
    assert statuses == [0, 2, 2, 2]
    victim.verify()
    assert running(victim) == []


def finished(engine: subprocess.Popen[str]) -> int:
    engine.communicate(timeout=30)
    return engine.returncode
