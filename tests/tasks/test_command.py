"""`stoker task`, as a person types it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

from imported import TELL, of_chains

from stoker.cli.task_turns import accompany
from stoker.client import Unreachable


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


def test_nothing_of_chains_is_imported(stoker, world, scripted):
    done = stoker("start", scripted({"say": "Done."}), "--agent", "SCRIPTED", **TELL)
    assert done.returncode == 0
    assert of_chains(done.stderr) == set()


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
    command = [sys.executable, "-u", "-m", "stoker", "task", "start", script, "-a", "SCRIPTED"]
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


def test_a_second_ctrl_c_ends_the_command_and_the_agent_at_once(world, scripted):
    script = scripted({"say": "now"}, {"say": "deaf"}, {"hang": "deaf"})
    command = [sys.executable, "-u", "-m", "stoker", "task", "start", script, "-a", "SCRIPTED"]
    world.state = world.repository / ".stoker"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = subprocess.Popen(command, cwd=world.repository, **pipes)
    try:
        assert "now\n" in iter(started.stdout.readline, "")
        started.send_signal(signal.SIGINT)
        assert any("Ctrl-C again" in line for line in iter(started.stderr.readline, ""))
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=30)
    finally:
        started.kill()
    assert (started.returncode, said) == (130, "")  # it did not wait for the end of the turn
    world.wait_until_empty()


def test_a_stop_that_fails_is_told_and_may_be_tried_again():
    class Attempts:
        """Of a server that does not do it at first."""

        def __init__(self):
            self.tries, self.stopped, self.seen = 0, asyncio.Event(), asyncio.Event()

        async def show(self, attempt_id, wait_sec=None):
            if wait_sec:
                await self.stopped.wait()
            attempt = SimpleNamespace(run_id="r")
            busy = not self.stopped.is_set()
            return SimpleNamespace(attempt=attempt, busy=busy, steps=[])

        async def stream(self, attempt_id, turn):
            self.seen.set()
            await self.stopped.wait()
            for nothing in ():
                yield nothing

        async def stop(self, attempt_id):
            self.tries += 1
            if self.tries == 1:
                raise Unreachable("no answer")
            self.stopped.set()

        async def changes(self, attempt_id, contents):
            return SimpleNamespace(changes=[])

    async def main():
        attempts, told = Attempts(), asyncio.Queue()
        output = SimpleNamespace(note=lambda text: None, error=told.put_nowait)
        context = SimpleNamespace(output=output, hint=lambda *words: "")
        client = SimpleNamespace(attempts=attempts, url="http://x")
        watching = asyncio.create_task(accompany(context, client, "a", as_json=False))
        await attempts.seen.wait()
        os.kill(os.getpid(), signal.SIGINT)
        said = await asyncio.wait_for(told.get(), 10)
        assert "no answer" in said
        assert not watching.done()
        os.kill(os.getpid(), signal.SIGINT)
        assert await asyncio.wait_for(watching, 10) == 130
        assert attempts.tries == 2

    asyncio.run(main())


def test_what_was_queued_is_shown_after_the_turn_under_way(world, scripted):
    words = [sys.executable, "-u", "-m", "stoker", "task"]
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
