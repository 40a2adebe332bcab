"""SIGKILL in every phase: as before or merged, never between; and `resume` merges."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

WRAPPER = """#!/bin/sh
case " $* " in *"$KILL_AT"*) mkdir "$KILL_MARK" 2>/dev/null || exec "$REAL_GIT" "$@";;
*) exec "$REAL_GIT" "$@";; esac
[ "$KILL_WHEN" = before ] || "$REAL_GIT" "$@"
kill -9 "$(cat "$KILL_PID")"
[ "$KILL_WHO" = engine ] || { kill -9 $PPID; kill -9 $$; }
[ "$KILL_WHEN" = after ] || exec "$REAL_GIT" "$@"
"""
"""Stands in front of git: the first command line that holds `$KILL_AT` ends the engine, and
with `KILL_WHO=all` the phase that called it too."""

LOCKED = "--force-with-lease=refs/stoker/locks/main:"
POINTS = [
    ("lock", LOCKED, "after", "all"),
    ("snapshot", "bundle create", "after", "all"),
    ("merge", "merge --no-ff", "after", "all"),
    ("resolve", "update-index -z --index-info", "after", "all"),
    ("commit", "reset --quiet --hard", "before", "all"),
    ("push", "--force-with-lease=refs/heads/main:", "before", "all"),
    ("push", "--force-with-lease=refs/heads/main:", "after", "all"),
    ("advance", "read-tree -m -u", "before", "engine"),
    ("advance", "read-tree -m -u", "after", "all"),
    ("cleanup", "origin :refs/stoker/locks/main", "after", "all"),
]


def orphans(run_id: str) -> list[int]:
    """Live processes of a run's steps."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"STOKER_RUN_ID={run_id}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def wait_for_orphans(run_id: str) -> None:
    """What a dead engine left behind works on; wait for its end."""
    while left := orphans(run_id):
        for pid in left:
            with suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                select.select([pidfd], [], [], 30)
                os.close(pidfd)


def assert_whole(world: Any, before: dict[str, Any]) -> None:
    """Remote and clone are each as before or merged, the clone not ahead of the remote."""
    now = world.standing()
    old = before["remote"]["refs/heads/main"]
    feature = before["remote"]["refs/heads/feature"]
    remote, local = (now[where]["refs/heads/main"] for where in ("remote", "clone"))
    assert local in (old, remote)
    if remote != old:
        assert world.git(world.remote, "log", "-1", "--format=%P", remote).split() == [old, feature]
        assert world.show("README.md") == "# App\n\n- base\n- main\n- feature"
    moved = {"refs/heads/main": local}
    assert now["clone"] == before["clone"] | moved
    assert (now["head"], now["status"]) == (before["head"], before["status"])
    assert now["stash"] == before["stash"]
    assert not (world.a / ".git" / "MERGE_HEAD").exists()


def run_and_kill(world: Any, at: str, when: str, who: str) -> None:
    """Run the plan with the wrapper in front of git."""
    programs = world.root / "bin"
    programs.mkdir()
    (programs / "git").write_text(WRAPPER)
    (programs / "git").chmod(stat.S_IRWXU)
    calm = dict(world.env)
    world.env |= {
        "PATH": f"{programs}:{world.env['PATH']}",
        "REAL_GIT": str(shutil.which("git")),
        "KILL_AT": at,
        "KILL_WHEN": when,
        "KILL_WHO": who,
        "KILL_MARK": str(world.root / "killed"),
        "KILL_PID": str(world.root / "engine.pid"),
    }
    killed = world.run()
    world.env = calm
    assert killed.exit_code == -9, killed.text
    wait_for_orphans(world.id("r1"))


@pytest.mark.parametrize(("phase", "at", "when", "who"), POINTS)
def test_kill_and_resume(conflicted: Any, phase: str, at: str, when: str, who: str) -> None:
    world = conflicted
    (world.a / "notes").write_text("put away\n")
    world.git(world.a, "stash")
    before = world.standing()
    run_and_kill(world, at, when, who)
    if phase != "advance" or who == "engine":
        assert_whole(world, before)
    done = world.stoker("resume", world.id("r1"))
    assert done.exit_code == 0, done.text
    world.assert_merged(before)
    assert world.git(world.a, "diff", "HEAD") == ""
    assert [event["outcome"] for event in world.events()] == ["merged"]
    assert [one["status"] for one in world.step("r1", phase)["attempts"]][-1] == "succeeded"


def test_kill_in_every_phase(unresolvable: Any) -> None:
    """One run, killed as soon as it has begun a phase, resumed, killed in the next one."""
    world = unresolvable
    before = world.standing()
    steps = world.phases()
    agent = "printf 'one\\nboth\\nthree\\n' > app.py"
    gate = f"mkdir {world.root}/once && kill -9 $(cat {world.root}/engine.pid); true"
    engine = world.begin(agent_command=agent, test_command=gate)
    for step in steps:
        for line in engine.stdout:
            event = json.loads(line)
            if (event["type"], event["step"]) == ("attempt.starting", step):
                break
        if step != "gate":  # its command does it itself
            engine.kill()
        engine.communicate()
        assert engine.returncode == -9
        wait_for_orphans(world.id("r1"))
        assert_whole(world, before)
        engine = world.begin_again()
    engine.communicate()
    assert engine.returncode == 0
    world.assert_merged(before)
    assert world.show("app.py") == "one\nboth\nthree"


@pytest.mark.parametrize("seed", range(3))
def test_kill_at_random(conflicted: Any, seed: int) -> None:
    """After any of its events; then the run is resumed, or another one follows it."""
    world, draw = conflicted, random.Random(seed)
    before = world.standing()
    run = world.begin()
    for _ in range(draw.randrange(1, 70)):
        run.stdout.readline()
    run.kill()
    run.communicate()
    wait_for_orphans(world.id("r1"))
    assert_whole(world, before)
    if seed % 2:
        done = world.stoker("resume", world.id("r1"))
    else:
        done = world.run("r2", wait_for_lock="false")
    assert done.exit_code == 0, done.text
    world.assert_merged(before)


CUT = ("read-tree -m -u", "after", "all")
"""The files of the user's tree are the merge's, its branch and index are not yet."""


def test_an_update_that_was_cut_short_is_restored_without_a_resume(conflicted: Any) -> None:
    before = conflicted.standing()
    run_and_kill(conflicted, *CUT)
    assert (conflicted.a / ".git" / "index.lock").exists()
    done = conflicted.restore()
    assert done.exit_code == 0, done.text
    after = conflicted.standing()
    del after["remote"]["refs/stoker/locks/main"]  # stale: the next merge takes it over
    assert after | {"worktrees": 1} == before
    assert conflicted.git(conflicted.a, "diff", "HEAD") == ""


def test_an_edit_after_a_cut_update_is_not_lost(conflicted: Any) -> None:
    run_and_kill(conflicted, *CUT)
    (conflicted.a / "README.md").write_text("edited\n")
    done = conflicted.stoker("resume", conflicted.id("r1"))
    assert done.exit_code == 1
    assert "these were edited since: README.md" in done.text
    assert (conflicted.a / "README.md").read_text() == "edited\n"
