"""Processes that outlive the engine that started them."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import signal
import subprocess
import sys

import msgspec
import pytest

from stoker.process import keeper_main, libc
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


def test_a_nice_one_lets_others_come_first(bench, keep, tmp_path):
    # Its niceness is set when it runs already.
    script = (
        "until [ $(nice) -ge 7 ]; do sleep 0.01; done; grep -oE '[-0-9]+$' /proc/self/autogroup"
    )
    ended = bench.run(keep("sh", "-c", script, nice=7))
    told = bench.out.read_text().split()
    assert told in ([], ["7"])  # none: a kernel without, or not allowed so soon again
    assert ended == Exit(code=0 if told else ended.code)


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
    spec = keep("sh", "-c", "echo ready; read line; echo got $line; exit 6", stdin_file=True)
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


def test_stdin_may_be_a_file_that_grows(bench, keep, tmp_path):
    place = tmp_path / "keeper"
    place.mkdir()
    first = b"first\n" * 50_000  # more than a pipe takes at once
    (place / "stdin").write_bytes(first)

    async def main():
        spec = keep("sh", "-c", "echo ready; cat; echo over", stdin_file=True)
        started = bench.start(spec)
        await bench.until("first")
        with (place / "stdin").open("ab") as stdin:
            stdin.write(b"second\n")
        await bench.until("second")
        (place / "stdin.end").touch()
        assert await started.ended == Exit(code=0)

    asyncio.run(main())
    assert bench.out.read_bytes() == b"ready\n" + first + b"second\nover\n"
    assert (place / "keeper.log").read_text() == ""


def test_stdin_that_is_a_file_needs_no_inotify(tmp_path, monkeypatch):
    def none() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    place = tmp_path / "keeper"
    place.mkdir()
    (place / "stdin").write_bytes(b"first\n")
    (place / "stdin.end").touch()
    monkeypatch.setattr(libc, "Inotify", none)
    monkeypatch.setattr(keeper_main, "sibling", lambda _: libc)
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    feed = keeper_main.Feed(str(place))
    os.close(feed.reading)
    os.close(feed.writing)
    feed.writing = os.dup(process.stdin.fileno())
    process.stdin.close()
    keeper_main.watch(process.pid, [], 0, feed)
    assert process.stdout.read() == b"first\n"
    process.stdout.close()
    assert process.wait() == 0


def idle(place, seconds):
    """As the driver of an agent leaves it whose turn is over."""
    (place / "new").write_text(str(seconds))
    (place / "new").rename(place / "stdin.idle")


@pytest.mark.parametrize("deaf", [False, True])
def test_a_command_that_nobody_takes_up_again_is_ended(tmp_path, monkeypatch, deaf):
    place = tmp_path / "keeper"
    place.mkdir()
    if deaf:
        monkeypatch.setattr(keeper_main, "_LINGER_SEC", 0.01)
    script = "trap '' TERM; echo ready; sleep 1000" if deaf else "echo ready; cat; echo over"
    feed = keeper_main.Feed(str(place))
    process = subprocess.Popen(["sh", "-c", script], stdin=feed.reading, start_new_session=True)
    os.close(feed.reading)
    idle(place, 0.05)
    keeper_main.watch(process.pid, [], 0, feed)
    assert process.wait() == (-signal.SIGKILL if deaf else 0)
    assert (place / "stdin.end").exists()
    assert not (place / "stdin.idle").exists()


def test_a_command_that_nobody_can_tell_anything_is_ended(tmp_path, monkeypatch):
    place = tmp_path / "keeper"
    place.mkdir()
    monkeypatch.setattr(keeper_main, "_LINGER_SEC", 0.01)
    feed = keeper_main.Feed(str(place))
    script = 'rm -r "$0"; trap "" TERM; sleep 1000'
    process = subprocess.Popen(
        ["sh", "-c", script, str(place)], stdin=feed.reading, start_new_session=True
    )
    os.close(feed.reading)
    keeper_main.watch(process.pid, [], 0, feed)
    assert process.wait() == -signal.SIGKILL


def test_a_command_that_is_taken_up_again_is_not_ended(bench, keep, tmp_path):
    place = tmp_path / "keeper"

    async def main():
        started = bench.start(keep("sh", "-c", "echo ready; cat; echo over", stdin_file=True))
        await bench.until("ready")
        await bench.until("}", place / "keeper.json")
        idle(place, 0.2)
        (place / "stdin.idle").rename(place / "stdin.taken")
        await asyncio.sleep(0.4)  # it would have been ended by then
        with (place / "stdin").open("ab") as stdin:
            stdin.write(b"more\n")
        await bench.until("more")
        (place / "stdin.end").touch()
        assert await started.ended == Exit(code=0)

    asyncio.run(main())


def test_a_command_may_close_its_stdin(bench, keep, tmp_path):
    place = tmp_path / "keeper"

    async def main():
        spec = keep("sh", "-c", "exec <&-; echo ready; read x < release", stdin_file=True)
        os.mkfifo(tmp_path / "release")
        started = bench.start(msgspec.structs.replace(spec, cwd=str(tmp_path)))
        await bench.until("ready")
        await bench.until("}", place / "keeper.json")
        (place / "stdin").write_bytes(b"nobody reads this\n")
        pid = kept(tmp_path).pid
        with (tmp_path / "release").open("w") as release:
            release.write("go\n")
        assert await started.ended == Exit(code=0)
        assert pid == started.child.pid

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
        assert await end_all(f"{bench.run_id}/", grace=0) >= 1
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
        started = bench.start(keep("sh", "-c", "echo ready; read x", stdin_file=True))
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
        spec = keep(sys.executable, "-c", f"{code}\nprint()\ninput()", env=env, stdin_file=True)
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
        (keep("cat", stdin=b"x", stdin_file=True), "given twice"),
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


@pytest.mark.parametrize("fault", ["no inotify", "no log"])
def test_a_keeper_that_hears_of_no_writes_looks_from_time_to_time(tmp_path, monkeypatch, fault):
    log = tmp_path / "log"
    reading, writing = os.pipe()
    looked = []

    class Libc:
        @staticmethod
        def Inotify():
            if fault == "no inotify":
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return libc.Inotify()

        @staticmethod
        def trim(path, limit):
            looked.append((path, limit))
            if len(looked) == 2:
                os.write(writing, b"\n")  # Now the command may end.

    monkeypatch.setattr(keeper_main, "sibling", lambda _: Libc)
    monkeypatch.setattr(keeper_main, "_BLIND_SEC", 0.01)
    output = keeper_main.Output(str(log))
    if fault == "no log":
        log.unlink()
    process = subprocess.Popen(["sh", "-c", "read line; exit 7"], stdin=reading)
    try:
        keeper_main.watch(process.pid, [output], MIB)
        assert process.wait() == 7
    finally:
        process.kill()
        process.wait()
        for fd in (reading, writing, output.log):
            os.close(fd)
    # Once more and again, perhaps, while the command ends.
    assert len(looked) >= 2
    assert set(looked) == {(str(log), MIB)}


def test_a_log_that_cannot_be_bounded_is_told_of_once(tmp_path, capfd):
    output = keeper_main.Output(str(tmp_path / "log"))
    (tmp_path / "log").unlink()
    output.trim(MIB)
    output.trim(MIB)
    os.close(output.log)
    assert capfd.readouterr().err.count("cannot be bounded") == 1


def test_its_end_is_recorded_on_a_full_disk(bench, keep):
    # Who still holds the pipe has the keeper give up waiting for the rest of a secret.
    spec = keep("sh", "-c", "setsid sleep 1000 & printf h1d; exit 7", stdout_path="/dev/full")
    assert bench.run(spec, Redactor(["h1dden"])) == Exit(code=7)


def test_a_refusal_is_recorded_on_a_full_disk(bench, keep, tmp_path):
    text = tmp_path / "text"
    text.write_text("echo no first line\n")
    text.chmod(0o755)
    assert bench.run(keep(str(text), stderr_path="/dev/full")) == Exit(code=126)


def test_an_unreadable_record_is_none(bench, keep, tmp_path):
    broken = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        spec = keep("sh", "-c", "mkdir exit.json exit.json/x", cwd=str(tmp_path / "keeper"))
        return await bench.start(spec).ended

    (tmp_path / "keeper").mkdir()
    assert asyncio.run(main()) == Exit(cause="lost")
    assert broken == []


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"code": "\xff"}'])
def test_damaged_records_are_none(tmp_path, content):
    async def main():
        assert adopt(tmp_path) is None

    (tmp_path / "keeper").mkdir()
    for name in ("keeper.json", "exit.json"):
        (tmp_path / "keeper" / name).write_bytes(content)
    asyncio.run(main())


def test_a_command_that_cannot_start_is_told_without_secrets(bench, keep, tmp_path):
    program = tmp_path / "h1dden"
    program.write_bytes(b"\0")  # of no format that can be executed
    program.chmod(0o700)

    async def main():
        return await bench.start(keep(str(program)), Redactor(["h1dden"])).ended

    assert asyncio.run(main()) == Exit(code=126)
    said = bench.err.read_text()
    assert said.startswith("stoker: cannot start ")
    assert "***" in said
    assert "h1dden" not in said
