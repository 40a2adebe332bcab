"""Full and read-only disks, clocks that jump, descriptors that run out: a clear error, nothing
corrupt, and the run goes on once the world is well again."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path
from random import Random

import pytest
from real import carry_out, plan_of
from victim import RUN, Victim

from stoker.engine.attempt import realm
from stoker.engine.commands import CommandRefused
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.base import JournalError
from stoker.journal.open import open_journal
from stoker.process.tree import marked
from stoker.steps.registry import kinds

STEPS = 40


def chain(act: Path) -> dict:
    """Steps one after the other, so that each costs commits of its own."""
    steps = [{"id": f"s{n}", "command": str(act), "args": ["0", f"v{n}={n}"]} for n in range(STEPS)]
    for before, after in itertools.pairwise(steps):
        after["depends_on"] = [before["id"]]
    return {"plan_id": "chain", "steps": steps}


@pytest.fixture
def victim(tmp_path):
    made = Victim(tmp_path, chain(tmp_path / "act"))
    yield made
    made.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB; only root can make one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def goes_on(victim: Victim) -> None:
    """The run comes to its end, and every step ran as it should."""
    victim.verify()
    assert victim.finish() == 0
    victim.verify()
    assert sorted(victim.settlements().values()) == ["succeeded"] * STEPS
    assert victim.processes() == []


@pytest.mark.parametrize("limit", [1 << 12, 100_000, 300_000, 400_000])
def test_a_journal_that_may_not_grow(victim, limit):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    engine = victim.launch(preexec_fn=limited)
    said, _ = engine.communicate(timeout=60)
    assert engine.returncode == 2, said
    assert "journal.db" in said
    assert "a file-size limit was met" in said or "file too large" in said.lower()
    assert "Traceback" not in said
    goes_on(victim)


def test_a_disk_that_fills_up_while_a_run_is_under_way(small_disk):
    victim = Victim(small_disk, chain(small_disk / "act"))
    # What is left is too little for the run, and enough to begin it.
    free = shutil.disk_usage(small_disk).free
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (free - 700_000))
    engine = victim.launch()
    said, _ = engine.communicate(timeout=60)
    assert engine.returncode == 2, said
    assert "the disk is full" in said
    assert "Traceback" not in said
    done = len(victim.settlements())
    assert 0 < done < STEPS
    assert victim.launch("list").wait(60) == 0
    ballast.unlink()
    goes_on(victim)


@pytest.mark.parametrize("how", ["read-only", "full"])
def test_a_journal_that_cannot_be_written_is_read_and_left_alone(small_disk, how):
    victim = Victim(small_disk, chain(small_disk / "act"))
    assert victim.launch("run", "plan.json", "-q").wait(60) == 0
    before = victim.journal.read_bytes()
    ballast = small_disk / "ballast"
    if how == "full":
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(b"x" * (1 << 30))
    else:
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    engine = victim.launch()
    said, _ = engine.communicate(timeout=60)
    assert engine.returncode == 2, said
    assert how in said.lower()
    assert "Traceback" not in said
    for words in (("list",), ("show", "last"), ("logs", "last"), ("events", "last", "--jsonl")):
        reader = victim.launch(*words)
        said, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0, said
    assert len(said.splitlines()) > 2 * STEPS
    assert victim.journal.read_bytes() == before
    if how == "full":
        ballast.unlink()
    else:
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    victim.side.write_text("")
    assert victim.launch("run", "plan.json", "-q", "--run-id", RUN).wait(60) == 0
    victim.verify()


def test_a_clock_that_jumps_moves_no_deadline(tmp_path, monkeypatch):
    random, real = Random(1), time.time

    def jumping() -> float:
        return real() + random.uniform(-1e8, 1e8)

    monkeypatch.setattr(time, "time", jumping)
    ran = carry_out(
        tmp_path,
        plan_of(
            {"id": "quick", "run": "sleep 0.1", "timeout_sec": 1000},
            {
                "id": "again",
                "run": "exit 1",
                "retries": 2,
                "retry": {"delay_sec": 0.01},
                "on_failure": "continue",
                "critical": False,
            },
            {
                "id": "slow",
                "run": "sleep 300",
                "timeout_sec": 0.2,
                "on_failure": "continue",
                "critical": False,
            },
            {
                "id": "gate",
                "command": "true",
                "approval": {"timeout_sec": 0.2, "default": "approve"},
            },
            {"id": "locked", "command": "true", "locks": ["L"]},
            globals={"max_run_duration_sec": 1000, "max_step_duration_sec": 1000},
        ),
    )
    assert ran.outcome.status == "succeeded"
    assert ran.reasons["slow"] == "timed out after 0.2 s"
    assert ran.problems == []


def test_descriptors_that_run_out_fail_steps_and_not_the_engine(tmp_path):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

    steps = [
        {"id": f"s{n}", "command": "sleep", "args": ["0.3"], "on_failure": "continue"}
        for n in range(60)
    ]
    plan = {"plan_id": "wide", "steps": steps, "globals": {"max_concurrency": 60}}
    victim = Victim(tmp_path, plan)
    try:
        engine = victim.launch(preexec_fn=limited)
        said, _ = engine.communicate(timeout=60)
        assert engine.returncode == 1, said
        assert "Traceback" not in said
        victim.verify()
        statuses = list(victim.settlements().values())
        assert len(statuses) == 60
        assert {"succeeded", "failed"} == set(statuses)
        errors = victim.query("SELECT DISTINCT error FROM step_attempts WHERE status = 'failed'")
        assert all("open files" in error for (error,) in errors), errors
        assert victim.processes() == []
    finally:
        victim.close()


def test_an_engine_whose_journal_refused_a_commit_can_resume_that_run_itself(tmp_path):
    async def main() -> None:
        journal = await open_journal(tmp_path / "journal.db")
        plan = plan_of(
            {"id": "a", "run": "echo $$ > up; sleep 300", "timeout_sec": 0.2, "retries": 1},
            {"id": "b", "command": "true"},
        )
        async with Engine(journal, tmp_path, kinds()) as engine:
            handle = await engine.start(
                plan, run_id="r", options=RunOptions(cwd=str(tmp_path), max_concurrency=1)
            )
            async for event in handle.events():
                if event.type == "attempt.running":
                    break
            journal._db.execute("PRAGMA query_only = ON")
            with pytest.raises(JournalError, match="read-only"):
                await asyncio.wait_for(handle.wait(), 20)
            journal._db.execute("PRAGMA query_only = OFF")
            assert await journal.check() == []
            outcome = await asyncio.wait_for((await engine.resume("r")).wait(), 20)
            assert outcome.status == "failed"
            assert outcome.reason == "step 'a' failed: timed out after 0.2 s"
            assert await journal.check() == []
            assert marked(f"{realm(tmp_path)}/") == []
        await journal.close()

    asyncio.run(main())


@pytest.mark.parametrize("what", ["end", "pause"])
def test_nobody_hears_or_acts_on_what_could_not_be_committed(tmp_path, what):
    os.mkfifo(tmp_path / "gate")
    plan = plan_of(
        {"id": "a", "run": "read line < gate"},
        {"id": "b", "run": "touch b", "depends_on": ["a"]},
    )

    async def main():
        journal = await open_journal(tmp_path / "journal.db")
        async with Engine(journal, tmp_path, kinds()) as engine:
            handle = await engine.start(plan, run_id="r", options=RunOptions(cwd=str(tmp_path)))
            async for event in handle.events():
                if event.type == "attempt.running":
                    break
            journal._db.execute("PRAGMA query_only = ON")
            if what == "end":
                await asyncio.to_thread((tmp_path / "gate").write_text, "\n")
            else:
                with pytest.raises((CommandRefused, JournalError)):
                    await handle.pause()
            with pytest.raises(JournalError, match="read-only"):
                await asyncio.wait_for(handle.wait(), 20)
            heard = [event async for event in handle.events()]
            journal._db.execute("PRAGMA query_only = OFF")
            assert heard == await journal.events("r")
            assert not (tmp_path / "b").exists()
        await journal.close()

    asyncio.run(main())
