"""`stoker task`, as a person types it."""

import os
import re
import signal
import subprocess
import sys


def git(directory, *args):
    return subprocess.run(
        ["git", "-C", directory, *args], check=True, capture_output=True, text=True
    ).stdout


def begun(said):
    return re.search(r"attempt ([0-9a-f]{8}) on branch (\S+), in (\S+)", said).groups()


def test_a_task_from_start_to_merge(stoker, world, scripted):
    script = scripted({"say": "I add a file."}, {"edit": "b", "content": "two\n"}, {"run": "ls"})
    done = stoker("start", script, "--agent", "SCRIPTED")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["I add a file.", "* added b", "$ ls"]
    attempt, branch, worktree = begun(done.stderr)
    assert "added b (+1 -0)" in done.stderr
    assert branch in world.branches()
    assert f"stoker task merge {attempt}" in done.stderr

    assert "+two" in stoker("diff", attempt).stdout
    assert stoker("diff", attempt, "--stat").stdout == "added b (+1 -0)\n"
    more = stoker("follow-up", attempt, scripted({"say": "Sorry."}, {"fail": "tired"}))
    assert more.returncode == 1
    assert "Sorry." in more.stdout
    assert "tired" in more.stderr
    shown = stoker("show", attempt).stdout
    assert shown.index("I add a file.") < shown.index("Sorry.")
    assert "inreview" in stoker("list").stdout

    assert stoker("merge", attempt).returncode == 0
    assert git(world.repository, "show", "main:b") == "two\n"
    assert re.search(r"done .*\n  " + attempt, stoker("list").stdout)
    assert stoker("remove", attempt).returncode == 0
    assert not os.path.exists(worktree)


def test_what_cannot_be(stoker, world):
    wrong = stoker("start", "T", "--agent", "NOBODY")
    assert (wrong.returncode, "unknown executor 'NOBODY'" in wrong.stderr) == (2, True)
    assert world.branches() == ["main"]
    assert stoker("start", "T", "--agent", "SCRIPTED", "--base", "nowhere").returncode == 2
    assert "no attempt begins with 'f'" in stoker("diff", "f").stderr
    assert stoker("list").stdout == ""


def test_ctrl_c_stops_the_agent_and_keeps_its_work(world, scripted):
    script = scripted(
        {"edit": "b", "content": "half"}, {"say": "now"}, {"run": "touch up; sleep 300"}
    )
    command = [sys.executable, "-u", "-m", "stoker.cli", "task", "start", script, "-a", "SCRIPTED"]
    started = subprocess.Popen(
        command, cwd=world.repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert "* added b\n" in iter(started.stdout.readline, "")
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=30)
    finally:
        started.kill()
    assert started.returncode == 130
    _, branch, _ = begun(said)
    assert git(world.repository, "show", f"{branch}:b") == "half"


def test_what_was_queued_is_shown_after_the_turn_under_way(world, scripted):
    words = [sys.executable, "-u", "-m", "stoker.cli", "task"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    gate = {"run": "until [ -e go ]; do sleep 0.05; done; rm go"}
    script = scripted({"say": "one"}, gate, {"say": "two"})
    first = subprocess.Popen(
        [*words, "start", script, "-a", "SCRIPTED"], cwd=world.repository, **pipes
    )
    assert "one\n" in iter(first.stdout.readline, "")
    first.kill()
    attempt, _, worktree = begun(first.communicate()[1])
    more = subprocess.Popen(
        [*words, "follow-up", attempt, scripted({"say": "three"})], cwd=world.repository, **pipes
    )
    try:
        assert "is at work" in more.stderr.readline()
        open(f"{worktree}/go", "w").close()
        said, _ = more.communicate(timeout=60)
    finally:
        more.kill()
    assert more.returncode == 0
    assert [line for line in said.splitlines() if line[0] not in ">$"] == ["one", "two", "three"]
