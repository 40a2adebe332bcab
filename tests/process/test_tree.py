"""Ending process trees whole."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys

import pytest
from msgspec import structs

from stoker.process import tree
from stoker.process.spec import MARKER, Exit
from stoker.process.survivors import Scan, look, under
from stoker.process.tree import end_all, marked

# Two levels down, in sessions of their own, orphaned, deaf to SIGTERM.
ESCAPED = """
trap '' TERM
setsid sh -c 'trap "" TERM; setsid sh -c "trap \\"\\" TERM; echo ready; sleep 1000" & sleep 1000' &
sleep 1000
"""

# A process that stays what it is: no `exec`, in whose middle it could not be looked at.
STILL = (sys.executable, "import signal; print('ready', flush=True); signal.pause()")

# A process that is always a new one: each forks its successor into a new session and exits.
RUNNER = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    signal.pause()
os.write(1, b"ready")
for _ in range(20_000):
    if os.fork():
        os._exit(0)
    os.setsid()
"""

# 2**6 processes, each in a session of its own, forking while they are being killed.
BUSH = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for depth in range(6):
    if os.fork() == 0:
        os.setsid()
os.write(1, b"x")
while True:
    signal.pause()
"""


def test_markers_are_compared_by_components():
    assert under("run/", "run/step/1")
    assert under("run", "run/step/1")
    assert under("run/step", "run/step/1")
    assert under("run/step/1", "run/step/1")
    assert not under("run/step/1", "run/step/10")
    assert not under("ru", "run/step/1")
    assert not under("run/", "run2/step/1")


def test_of_several_markers_one_is_enough():
    both = "outer/step/1//inner/a/2"
    for prefix in ("outer/", "outer/step/1", "inner", "inner/a", "inner/a/2"):
        assert under(prefix, both)
    for prefix in ("a", "a/2", "inner/a/1", "outer/step/1/inner", "step", "1//inner"):
        assert not under(prefix, both)


@pytest.mark.parametrize("kept", [False, True])
def test_what_an_inner_engine_started_belongs_to_the_outer_attempt_too(bench, tmp_path, kept):
    outer, inner = f"{bench.run_id}/outer/1", f"{bench.run_id}/inner/1"  # One to clean up.
    script = "setsid sh -c 'echo ready; exec sleep 1000' & wait"
    place = str(tmp_path / "keeper") if kept else None

    async def main():
        env = {"PATH": os.environ["PATH"], MARKER: outer}
        spec = bench.spec("sh", "-c", script, env=env, marker=inner, keeper_dir=place)
        started = bench.start(spec)
        await bench.until("ready")
        assert {one.marker for one in marked(outer)} == {outer}
        assert {one.marker for one in marked(inner)} == {inner}
        assert marked(f"{bench.run_id}/outer/2") == []
        assert started.child.pid in [one.pid for one in marked(outer)]
        assert await end_all(outer, grace=0) > 0
        assert marked(inner) == []
        await started.ended

    asyncio.run(main())


def test_marked_finds_descendants_and_never_itself(bench, monkeypatch):
    async def main():
        started = bench.start(bench.spec("sh", "-c", 'setsid "$0" -c "$1" & wait', *STILL))
        await bench.until("ready")
        found = marked(f"{bench.run_id}/")
        assert {one.marker for one in found} == {f"{bench.run_id}/step/1"}
        assert started.child.pid in [one.pid for one in found]
        assert len(found) == 2
        assert all(look(one.pid) == one for one in found)
        assert marked(f"{bench.run_id}/step/1") == found
        assert marked(f"{bench.run_id}/step/2") == marked(f"{bench.run_id}/st") == []
        started.child.stop(0)
        await started.ended
        assert marked(f"{bench.run_id}/") == []

    asyncio.run(main())
    assert os.getpid() not in [one.pid for one in Scan()]


def test_a_zombie_and_a_vanished_process_are_nobody():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert look(child.pid) is None
    child.wait()
    assert look(child.pid) is None


def test_stop_asks_politely(bench):
    async def main():
        script = "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.01; done"
        started = bench.start(bench.spec("sh", "-c", script))
        await bench.until("ready")
        started.child.stop(60)
        started.child.stop(60)
        assert await started.ended == Exit(code=4, cause="stopped")
        assert bench.out.read_text() == "ready\nbye\n"
        started.child.stop()

    asyncio.run(main())


def test_the_rest_of_the_tree_may_finish_within_the_grace(bench):
    inner = "trap 'sleep 0.05; echo saved; exit' TERM; echo ready; while :; do sleep 0.01; done"

    async def main():
        # The leader dies of SIGTERM at once; its children, one in its group, one not, take longer.
        started = bench.start(
            bench.spec("sh", "-c", f'sh -c "{inner}" & setsid sh -c "{inner}" & wait')
        )
        while (await bench.until("ready")).count("ready") < 2:
            await bench.until("ready\nready")
        started.child.stop(60)
        end = await started.ended
        assert end == Exit(signal=signal.SIGTERM, cause="stopped")
        assert bench.out.read_text().count("saved") == 2
        assert bench.pids() == []

    asyncio.run(main())


def test_a_frozen_process_hears_the_polite_request(bench):
    async def main():
        started = bench.start(
            bench.spec("sh", "-c", "trap 'exit 5' TERM; echo ready; kill -STOP $$; sleep 9")
        )
        await bench.until("ready")
        os.waitid(os.P_PID, started.child.pid, os.WSTOPPED | os.WNOWAIT)
        started.child.stop(60)
        assert await started.ended == Exit(code=5, cause="stopped")

    asyncio.run(main())


@pytest.mark.parametrize("grace", [0, 0.1])
def test_what_escaped_and_does_not_listen_is_ended(bench, grace):
    async def main():
        started = bench.start(bench.spec("sh", "-c", ESCAPED))
        await bench.until("ready")
        assert len(bench.pids()) >= 4
        started.child.stop(grace)
        end = await started.ended
        assert end == Exit(signal=signal.SIGKILL, cause="stopped")
        assert bench.pids() == []

    asyncio.run(main())


def test_a_member_without_the_marker_is_known_by_its_session(bench):
    async def main():
        script = "trap '' TERM; env -i sh -c 'trap \"\" TERM; echo ready; exec sleep 1000' & exit 0"
        script = script.replace("exit 0", "echo $! >&2; kill -STOP $$")
        started = bench.start(bench.spec("sh", "-c", script))
        await bench.until("ready")
        other = int((await bench.until("\n", bench.err)).strip())
        started.child.stop(0)
        await started.ended
        assert look(other) is None

    asyncio.run(main())


@pytest.mark.parametrize(("code", "ready"), [(RUNNER, "ready"), (BUSH, "x" * 64)])
def test_what_forks_faster_than_one_sweep_is_ended(bench, code, ready):
    async def main():
        started = bench.start(bench.python(code))
        await bench.until(ready)
        started.child.stop(0)
        await started.ended
        assert bench.pids() == []

    asyncio.run(main())


def test_a_shorter_grace_wins(bench):
    async def main():
        started = bench.start(bench.spec("sh", "-c", ESCAPED))
        await bench.until("ready")
        started.child.stop(3600)
        started.child.stop(7200)
        started.child.stop(0)
        assert (await started.ended).signal == signal.SIGKILL
        assert bench.pids() == []

    asyncio.run(main())


def test_many_are_stopped_by_few_sweeps(bench, monkeypatch):
    sweeps = 0

    def counted():
        nonlocal sweeps
        sweeps += 1
        return Scan()

    monkeypatch.setattr(tree, "Scan", counted)

    async def main():
        one = bench.start(bench.spec("sleep", "1000"))
        spawner = one.child._spawner
        rest = [bench.start(bench.spec("sleep", "1000"), spawner=spawner) for _ in range(19)]
        for started in (one, *rest):
            started.child.stop(60)
        await asyncio.gather(*(started.ended for started in (one, *rest)))

    asyncio.run(main())
    assert 1 <= sweeps < 20


class Stale(list):
    settled = True


def test_a_pid_used_again_is_not_signalled(bench, monkeypatch):
    async def main():
        started = bench.start(bench.spec("sleep", "1000"))
        while not (seen := marked(f"{bench.run_id}/")):
            await asyncio.sleep(0)  # its environment is there a moment after it has begun
        [found] = seen
        older = structs.replace(found, started=found.started - 1)
        sent = []
        scans = [Stale(), Stale([older])]
        monkeypatch.setattr(tree, "Scan", scans.pop)
        monkeypatch.setattr(tree, "_signal", lambda *arguments: sent.append(arguments))
        await end_all(f"{bench.run_id}/", grace=60)
        assert sent == []
        assert look(found.pid) is not None
        monkeypatch.undo()
        started.child.stop(0)
        await started.ended

    asyncio.run(main())


def test_sweeping_goes_on_when_descriptors_run_out(bench, monkeypatch):
    calls = []

    def scanning():
        calls.append(None)
        if len(calls) == 1:
            raise OSError(24, "Too many open files")
        return Scan()

    monkeypatch.setattr(tree, "Scan", scanning)
    monkeypatch.setattr(tree, "_RETRY_SEC", 0.001)

    async def main():
        started = bench.start(bench.spec("sh", "-c", ESCAPED))
        await bench.until("ready")
        started.child.stop(0)
        await started.ended
        assert bench.pids() == []

    asyncio.run(main())
    assert len(calls) > 1


def test_end_all_ends_what_a_dead_engine_left(bench):
    async def main():
        started = bench.start(bench.spec("sh", "-c", ESCAPED))
        other = bench.start(bench.spec("sleep", "1000", marker=f"{bench.run_id}/step/10"))
        await bench.until("ready")
        assert await end_all(f"{bench.run_id}/step/1", grace=0.05) >= 4
        assert marked(f"{bench.run_id}/step/1") == []
        assert (await started.ended).exit_code == 128 + signal.SIGKILL
        assert bench.pids() == [other.child.pid]
        assert await end_all(f"{bench.run_id}/", grace=60) == 1
        assert await other.ended == Exit(signal=signal.SIGTERM)
        assert await end_all(f"{bench.run_id}/") == 0

    asyncio.run(main())


def test_end_all_can_be_cancelled(bench):
    async def main():
        started = bench.start(bench.spec("sh", "-c", "trap '' TERM; echo ready; sleep 1000"))
        await bench.until("ready")
        gc.collect()  # what other tests have left is not to be closed in between
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await end_all(f"{bench.run_id}/", grace=3600)
        assert len(os.listdir("/proc/self/fd")) == before
        started.child.stop(0)
        await started.ended

    asyncio.run(main())
