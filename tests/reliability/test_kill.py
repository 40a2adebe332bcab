"""SIGKILL of the engine at any instant, then `stoker resume`, again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path
from random import Random

import pytest
from victim import RUN, Victim, wait_for

ROUNDS = int(os.environ.get("STOKER_KILL_ROUNDS", "3"))
KILLS = 5
"""In a round, at most."""
STARTING = 0.2
"""How many of them are to meet an engine that is only starting; that takes it longer than all
it does then."""


@pytest.fixture
def victim(tmp_path, db):
    made = Victim(tmp_path, db=db)
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_run_survives_being_killed_at_random_instants(victim, seed):
    random = Random(seed)
    kills = 0
    while kills < KILLS:
        if random.random() < STARTING:
            status = victim.live_for(random.uniform(0.05, 0.4))
        else:
            status = victim.live_for(random.uniform(0, 0.15), begun=True)
        victim.verify()
        if status is not None:
            break
        kills += 1
    assert kills, "the run was over before it could be killed"
    if not victim.over():
        assert victim.finish() == 0
    victim.verify_succeeded()


POINTS = [
    *product(("commit",), range(1, 39), ("before", "after")),
    *product(("spawn",), range(1, 25), ("before", "after")),
    *product(("lock",), range(1, 6), ("before", "after")),
    *product(("lease",), range(1, 3), ("before", "after")),
]
"""Places where the mixed plan touches the world: `ROUNDS` of them are tried, evenly spread."""


def crash(victim: Victim, what: str, number: int, when: str) -> bool:
    """Let the engine run to that point and die there; False if it came to its end instead."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("crash_at.py"), what, str(number), when],
        cwd=victim.directory,
        env=victim.environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    victim.verify()
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("point", POINTS[:: max(1, len(POINTS) // ROUNDS)], ids=str)
def test_a_run_survives_being_killed_between_any_two_of_its_acts(victim, point):
    what, number, when = point
    # A second time in the resumption, wherever that is then.
    if crash(victim, what, number, when):
        crash(victim, what, Random(number).randint(1, 8), when)
    if not victim.over():
        assert victim.finish() == 0
    victim.verify_succeeded()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_step_whose_effects_happen_once_is_never_run_again_without_a_person(tmp_path, db, when):
    once = {"id": "once", "command": str(tmp_path / "act"), "args": ["0.3"], "effects": "once"}
    steps = [{"id": "before", "run": "true"}, {**once, "depends_on": ["before"]}]
    victim = Victim(tmp_path, {"plan_id": "once", "steps": steps}, db)
    try:
        crash(victim, "spawn", 2, when)
        assert victim.finish() == 3
        assert victim.finish() == 3, "it is a person's to decide, also after a second look"
        victim.verify()
        # A person looks at what it did.
        answer, status = ("failed", 1) if victim.lines("start") else ("rerun", 0)
        asked = victim.launch("resolve", RUN, "once", answer, "--no-resume")
        assert asked.wait(60) == 0, asked.communicate()
        assert victim.finish(status) == status
        victim.verify()
        assert len(victim.lines("start")) == 1
        assert victim.processes() == []
    finally:
        victim.close()


def test_what_a_killed_engine_left_has_ended_when_its_step_runs_again(tmp_path, db):
    alive = "grep -qs '^State:.[^ZX]' /proc/$old/status"
    look = f"for old in $(cat up); do {alive} && echo >> beside; done"
    leave = "setsid sh -c 'echo $$ >> up; exec sleep 300' & until test -s up; do sleep 0.01; done"
    line = f"test -s up && {{ {look}; exit 0; }}; {leave}; echo $$ >> up; exec sleep 300"
    victim = Victim(tmp_path, {"plan_id": "p", "steps": [{"id": "a", "run": line}]}, db)
    try:
        engine = victim.launch()
        wait_for(lambda: up(victim) == 2)
        engine.kill()
        engine.communicate()
        assert victim.finish() == 0
        assert not (tmp_path / "beside").exists()
        assert victim.query("SELECT status FROM step_attempts ORDER BY attempt") == [
            ("lost",),
            ("succeeded",),
        ]
    finally:
        victim.close()


def test_canceling_a_dead_run_ends_all_it_left_behind(tmp_path, db):
    sleeps = "echo $$ >> up; setsid sleep 300 & sleep 300"
    nested = {"plan_id": "inner", "steps": [{"id": "deep", "run": sleeps}]}
    plan = {
        "plan_id": "outer",
        "globals": {"max_concurrency": 9},
        "steps": [
            {"id": "plain", "run": sleeps},
            {"id": "kept", "run": sleeps, "on_interrupt": "adopt"},
            {"id": "nested", "step_def": {"type": "plan", "path": "nested.json"}},
        ],
    }
    victim = Victim(tmp_path, plan, db)
    (tmp_path / "nested.json").write_text(json.dumps(nested))
    try:
        engine = victim.launch()
        wait_for(lambda: up(victim) == 3)
        engine.kill()
        engine.communicate()
        canceling = victim.launch("cancel", RUN)
        said, _ = canceling.communicate(timeout=60)
        assert canceling.returncode in (0, 130), said
        victim.verify()
        assert victim.query("SELECT DISTINCT status FROM runs") == [("canceled",)]
        assert set(victim.settlements().values()) == {"canceled"}
        assert victim.processes() == []
        assert up(victim) == 3
    finally:
        victim.close()


def up(victim: Victim) -> int:
    path = victim.directory / "up"
    return len(path.read_text().split()) if path.exists() else 0
