"""One merge per branch at a time, over all clones."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

LOCK = "refs/stoker/locks/main"


@pytest.fixture
def two(world: Any) -> Any:
    """Two branches that can be merged, one after the other."""
    world.branches({"f.py": "f\n"}, {"m.py": "m\n"})
    world.git(world.b, "checkout", "--quiet", "-b", "other")
    world.commit(world.b, {"o.py": "o\n"}, "other")
    world.git(world.b, "push", "--quiet", "origin", "other")
    world.git(world.b, "checkout", "--quiet", "main")
    return world


def place_lock(world: Any, **changes: Any) -> str:
    """Put a lock on the remote as if another run had taken it."""
    fields = {
        "run": "elsewhere",
        "clone": "/home/somebody/app/.git",
        "host": "another.example",
        "place": "boot/pid:[1]",
        "pid": 4711,
        "started": 1,
        "since": time.time(),
        "expires": time.time() + 3600,
    } | changes
    message = "a lock\n\n" + "".join(f"{name}: {value}\n" for name, value in fields.items())
    tree = world.git(world.remote, "hash-object", "-t", "tree", "-w", "/dev/null")
    oid: str = world.git(world.remote, "commit-tree", tree, "-m", message)
    world.git(world.remote, "update-ref", LOCK, oid)
    return oid


def wait_for(run: Any, type_: str, step: str) -> dict[str, Any]:
    """The first such event of a run's stream."""
    events = map(json.loads, run.stdout)
    found: dict[str, Any] = next(e for e in events if (e["type"], e["step"]) == (type_, step))
    return found


def test_second_merge_waits_or_is_refused(two: Any) -> None:
    gate = two.root / "gate"
    os.mkfifo(gate)
    first = two.begin("first", test_command=f"cat {gate}")
    with gate.open("r+b", buffering=0):
        wait_for(first, "attempt.starting", "gate")
        refused = two.run("refused", clone=two.b, source="other", wait_for_lock="false")
        second = two.begin("second", clone=two.b, source="other")
        assert wait_for(second, "step.waiting", "lock")["data"]["for"] == "backoff"
    assert refused.exit_code == 1
    assert "branch 'main' of 'origin' is being merged into by run" in refused.text
    assert f"run {two.id('first')} on " in refused.text
    assert first.communicate()[0]
    assert second.communicate()[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert [event["outcome"] for event in two.events()] == ["not merged", "merged", "merged"]
    assert two.show("f.py") + two.show("o.py") + two.show("m.py") == "fom"
    assert LOCK not in two.refs(two.remote)


@pytest.mark.parametrize("successor", ["a", "b"])
def test_lock_of_a_killed_engine_is_taken_over(two: Any, successor: str) -> None:
    """In the same clone or another; what the dead run left goes, and its resume sees that
    the work is done."""
    before = two.standing()
    once = f"mkdir {two.root}/once || exit 0; kill -9 $(cat {two.root}/engine.pid); sleep 100"
    dead = two.run("dead", test_command=once)

    assert dead.exit_code == -9
    assert LOCK in two.refs(two.remote)
    done = two.run("next", clone=getattr(two, successor), wait_for_lock="false")
    assert done.exit_code == 0, done.text
    assert "taken over from run dead-" in two.log("next", "lock")
    if successor == "a":
        two.assert_merged(before)
    resumed = two.stoker("resume", two.id("dead"))
    assert two.events()[-1]["run"] == two.id("dead")
    assert two.git(two.a, "worktree", "list").count("\n") == 0
    if successor == "b":
        assert resumed.exit_code == 0, resumed.text
        assert two.events()[-1]["outcome"] == "up-to-date"
    merge = two.git(two.remote, "rev-parse", "main")
    assert two.git(two.remote, "log", "-1", "--format=%P", merge).split() == [
        before["remote"]["refs/heads/main"],
        before["remote"]["refs/heads/feature"],
    ]


def test_an_expired_lock_is_taken_over(two: Any) -> None:
    before = two.standing()
    place_lock(two, expires=time.time() - 1)
    done = two.run(wait_for_lock="false")
    assert done.exit_code == 0, done.text
    two.assert_merged(before)
    assert "it expired at" in two.log("r1", "lock")


def test_a_lock_of_another_host_is_respected(two: Any) -> None:
    oid = place_lock(two)
    done = two.run(wait_for_lock="false")
    assert done.exit_code == 1
    assert "run elsewhere on another.example (process 4711, /home/somebody/app/.git)" in done.text
    assert two.refs(two.remote)[LOCK] == oid
    two.git(two.remote, "update-ref", LOCK, "main")
    done = two.run("r2", wait_for_lock="false")
    assert "by somebody unknown" in done.text


def test_whoever_lost_the_lock_cannot_push(two: Any) -> None:
    """The lock changes hands while the tests run: the push carries it, and is refused."""
    before = two.standing()
    oid = place_lock(two)
    two.git(two.remote, "update-ref", "-d", LOCK)
    done = two.run(test_command=f"git -C {two.remote} update-ref {LOCK} {oid}")
    assert done.exit_code == 1
    assert "the lock on 'main' is held by run elsewhere" in done.text
    after = two.standing()
    assert after["remote"].pop(LOCK) == oid
    assert after == before


def test_the_lock_changes_hands_at_the_last_moment(two: Any) -> None:
    """Between the last look and the push: only the atomic push itself can tell."""
    before = two.standing()
    oid = place_lock(two)
    two.git(two.remote, "update-ref", "-d", LOCK)
    path = two.a / ".git" / "hooks" / "pre-push"
    path.write_text(f"#!/bin/sh\nunset GIT_DIR\ngit -C {two.remote} update-ref {LOCK} {oid}\n")
    path.chmod(0o755)
    done = two.run()
    assert done.exit_code == 1
    assert "the lock on 'main' is held by run elsewhere" in done.text
    after = two.standing()
    assert after["remote"].pop(LOCK) == oid
    assert after == before


def test_git_hooks_of_the_clone_stay_out(two: Any) -> None:
    """But for pre-push, which is its owner's word on what may leave the clone."""
    hooks = two.a / ".git" / "hooks"
    for name in ("post-checkout", "pre-merge-commit", "post-merge", "commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {two.root}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    assert two.run().exit_code == 0
    assert not (two.root / "ran").exists()
