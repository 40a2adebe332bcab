"""Processes that outlive the engine that started them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys

import msgspec
import pytest

from stoker.process.keeper import Kept
from stoker.process.logs import LogBounds, LogWatch
from stoker.process.redact import Redactor
from stoker.process.spawner import Child, Spawner, SpawnError
from stoker.process.spec import Exit
from stoker.process.survivors import look
from stoker.process.tree import end_all

MIB = 1 << 20


@pytest.fixture
def keep(bench, tmp_path):
    """A spec under a keeper, whose directory is `tmp_path/keeper`."""

    def make(*argv, **changes):
        return bench.spec(*argv, keeper_dir=str(tmp_path / "keeper"), **changes)

    return make


def kept(tmp_path) -> Kept:
    return msgspec.json.decode((tmp_path / "keeper" / "keeper.json").read_bytes(), type=Kept)


def adopt(tmp_path, on_exit=None):
    spawner = Spawner(asyncio.get_running_loop())
    return spawner.adopt(str(tmp_path / "keeper"), on_exit or (lambda _: None))


async def over(pid: int) -> None:
    """Wait for the end of a process that may not be our child."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pidfd, done.set)
    await done.wait()
    loop.remove_reader(pidfd)
    os.close(pidfd)


def test_a_kept_process_is_like_any_other(bench, keep, tmp_path):
    script = "cat; pwd -P; echo $NAME >&2; exit 3"
    env = {"PATH": os.environ["PATH"], "NAME": "wörld"}
    spec = keep("sh", "-c", script, stdin=b"in\n" * 50_000, cwd=str(tmp_path), env=env)
    assert bench.run(spec) == Exit(code=3)
    assert bench.out.read_text() == "in\n" * 50_000 + f"{tmp_path.resolve()}\n"
    assert bench.err.read_text() == "wörld\n"
    assert bench.out.stat().st_mode & 0o777 == 0o600
    recorded = json.loads((tmp_path / "keeper" / "exit.json").read_text())
    assert (recorded["code"], recorded["signal"]) == (3, None)
    assert (tmp_path / "keeper" / "keeper.log").read_text() == ""


def test_it_outlives_its_engine_and_is_adopted(bench, keep, tmp_path):
    engine = """
import asyncio, sys, msgspec
from stoker.process.spawner import Spawner
from stoker.process.spec import ProcessSpec

async def main():
    spec = msgspec.json.decode(sys.argv[1].encode(), type=ProcessSpec)
    Spawner(asyncio.get_running_loop()).spawn(spec, print)
    await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""
    spec = keep("sh", "-c", "echo ready; read line; echo got $line; exit 6", stdin_fifo=True)
    process = subprocess.Popen([sys.executable, "-c", engine, msgspec.json.encode(spec).decode()])

    async def main():
        await bench.until("ready")
        await bench.until("}", tmp_path / "keeper" / "keeper.json")
        process.kill()
        process.wait()
        ended = asyncio.get_running_loop().create_future()
        child = adopt(tmp_path, ended.set_result)
        assert isinstance(child, Child)
        assert child.pid == kept(tmp_path).pid
        with (tmp_path / "keeper" / "stdin").open("w") as stdin:
            stdin.write("hello\n")
        assert await ended == Exit(code=6)
        assert bench.out.read_text() == "ready\ngot hello\n"
        assert adopt(tmp_path) == Exit(code=6)

    asyncio.run(main())


def test_its_end_is_recorded_whatever_signals_come(bench, keep, tmp_path):
    async def main():
        started = bench.start(keep("sh", "-c", "echo ready; kill -STOP $$; sleep 1000"))
        await bench.until("ready")
        await bench.until("}", tmp_path / "keeper" / "keeper.json")
        keeper = started.child.pid
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.killpg(keeper, number)
        os.killpg(kept(tmp_path).command_pid, signal.SIGTERM)
        os.killpg(kept(tmp_path).command_pid, signal.SIGCONT)
        assert await started.ended == Exit(signal=signal.SIGTERM)
        assert adopt(tmp_path) == Exit(signal=signal.SIGTERM)

    asyncio.run(main())


def test_what_is_left_of_its_group_is_killed(bench, keep):
    async def main():
        started = bench.start(keep("sh", "-c", "sleep 1000 & echo $!"))
        assert await started.ended == Exit(code=0)
        await over(int(bench.out.read_text()))
        assert bench.pids() == []

    asyncio.run(main())


@pytest.mark.parametrize("adopted", [False, True])
@pytest.mark.parametrize("grace", [0, 0.1])
def test_stop_ends_the_tree_and_leaves_the_record(bench, keep, tmp_path, adopted, grace):
    # `exec`: a shell whose last child is killed before it would tell that as exit code 137.
    script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 1000' & echo ready; exec sleep 1000"

    async def main():
        started = bench.start(keep("sh", "-c", script))
        await bench.until("ready")
        ended, child = started.ended, started.child
        if adopted:
            await bench.until("}", tmp_path / "keeper" / "keeper.json")
            ended = asyncio.get_running_loop().create_future()
            child = adopt(tmp_path, ended.set_result)
        child.stop(grace)
        assert await ended == Exit(signal=signal.SIGKILL, cause="stopped")
        assert adopt(tmp_path) == Exit(signal=signal.SIGKILL)
        assert bench.pids() == []
        await started.ended

    asyncio.run(main())


def test_stop_asks_politely(bench, keep):
    async def main():
        script = "trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done"
        started = bench.start(keep("sh", "-c", script))
        await bench.until("ready")
        started.child.stop(60)
        assert await started.ended == Exit(code=4, cause="stopped")

    asyncio.run(main())


@pytest.mark.parametrize("grace", [0, 60])
def test_stopped_before_its_command_began(bench, keep, tmp_path, grace):
    async def main():
        started = bench.start(keep("sleep", "1000"))
        started.child.stop(grace)
        end = await started.ended
        assert end.cause == "stopped"
        assert bench.pids() == []

    asyncio.run(main())


def test_a_killed_keeper_takes_its_command_along(bench, keep, tmp_path):
    async def main():
        started = bench.start(keep("sh", "-c", "echo ready; sleep 1000"))
        await bench.until("ready")
        await bench.until("}", tmp_path / "keeper" / "keeper.json")
        os.kill(started.child.pid, signal.SIGKILL)
        assert await started.ended == Exit(cause="lost")
        assert bench.pids() == []
        assert adopt(tmp_path) is None

    asyncio.run(main())


def test_a_lost_keepers_command_can_be_ended(bench, keep, tmp_path):
    async def main():
        started = bench.start(keep("sh", "-c", "echo ready; sleep 1000"))
        await bench.until("ready")
        [keeper] = [pid for pid in bench.pids() if pid == started.child.pid]
        assert await end_all(f"{bench.run_id}/", grace=0) >= 2
        await over(keeper)
        assert bench.pids() == []
        await started.ended

    asyncio.run(main())


def test_nothing_there_is_none(tmp_path):
    async def main():
        assert adopt(tmp_path) is None

    asyncio.run(main())


def test_a_pid_used_again_is_not_adopted(bench, keep, tmp_path):
    async def main():
        started = bench.start(keep("sh", "-c", "echo ready; read x", stdin_fifo=True))
        await bench.until("ready")
        await bench.until("}", tmp_path / "keeper" / "keeper.json")
        record = kept(tmp_path)
        stale = msgspec.structs.replace(record, started=record.started - 1)
        (tmp_path / "keeper" / "keeper.json").write_bytes(msgspec.json.encode(stale))
        assert adopt(tmp_path) is None
        assert look(record.pid) is not None
        started.child.stop(0)
        await started.ended

    asyncio.run(main())


def test_secrets_reach_neither_disk_nor_command_line(bench, keep, tmp_path):
    code = """
import os
os.write(1, b"my h1d"); os.write(1, b"den is out"); os.write(2, b"h1dden" * 20000)
"""
    env = {"PATH": os.environ["PATH"], "TOKEN": "the-token"}

    async def main():
        spec = keep("sh", "-c", 'cat; echo "$0"; read x', "ready", stdin=b"h1dden ", env=env)
        started = bench.start(spec, Redactor(["h1dden", "the-token"]))
        await started.ended
        spec = keep(sys.executable, "-c", f"{code}\nprint()\ninput()", env=env, stdin_fifo=True)
        started = bench.start(spec, Redactor(["h1dden", "the-token"]))
        await bench.until("is out")
        with open(f"/proc/{started.child.pid}/cmdline", "rb") as cmdline:
            assert b"h1dden" not in cmdline.read()
        with open(f"/proc/{started.child.pid}/environ", "rb") as environ:
            assert b"the-token" not in environ.read()
        with (tmp_path / "keeper" / "stdin").open("w") as stdin:
            stdin.write("\n")
        assert await started.ended == Exit(code=0)

    asyncio.run(main())
    assert bench.out.read_text() == "*** ready\nmy *** is out\n"
    assert bench.err.read_text() == "***" * 20000
    for file in tmp_path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"h1dden" not in content, file
            assert b"the-token" not in content, file
            assert base64.b64encode(b"the-token")[:-4] not in content, file


def test_its_logs_are_bounded(bench, keep, tmp_path):
    async def main():
        loop = asyncio.get_running_loop()
        spawner = Spawner(loop, bounds=LogBounds(LogWatch(loop), loop, limit=4 * MIB))
        code = """
import os, signal
signal.sigtimedwait([], 0.4)
for _ in range(32): os.write(1, bytes(1 << 20).replace(b"\\0", b"x"))
os.write(1, b"end")
"""
        spec = keep(sys.executable, "-I", "-S", "-c", code)
        assert await bench.start(spec, spawner=spawner).ended == Exit(code=0)

    asyncio.run(main())
    status = bench.out.stat()
    assert status.st_size == 32 * MIB + 3
    assert status.st_blocks * 512 <= 4 * MIB
    assert (tmp_path / "keeper" / "keeper.log").read_text() == ""


def test_refusals_are_told_at_once(bench, keep, tmp_path):
    text = tmp_path / "text"
    text.write_text("echo\n")
    for spec, message in [
        (keep("no-such-tool"), "not found on PATH"),
        (keep("/no/such"), "does not exist"),
        (keep(str(text)), "is not executable"),
        (keep("true", cwd="/no/such"), "working directory /no/such does not exist"),
        (keep("true", "\0"), "NUL byte"),
        (keep("cat", stdin=b"x", stdin_fifo=True), "both as data and as a FIFO"),
    ]:
        with pytest.raises(SpawnError, match=message):
            bench.run(spec)
    assert not (tmp_path / "keeper").exists()


def test_a_refusal_only_the_keeper_sees_is_logged(bench, keep, tmp_path):
    text = tmp_path / "text"
    text.write_text("echo no first line\n")
    text.chmod(0o755)
    assert bench.run(keep(str(text))) == Exit(code=126)
    assert f"cannot start {text}: [Errno 8] Exec format error" in bench.err.read_text()
