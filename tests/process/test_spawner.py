"""Starting processes and hearing of their end."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stoker.process.spawner import Spawner, SpawnError
from stoker.process.spec import MARKER, Exit


def executable(path: Path, content: str = "#!/bin/sh\necho $0\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", Exit(code=0)),
        ("exit 7", Exit(code=7)),
        ("kill -9 $$", Exit(signal=signal.SIGKILL)),
    ],
)
def test_how_it_ended(bench, tmp_path, script, end, elsewhere):
    changes = {"cwd": str(tmp_path)} if elsewhere else {}
    assert bench.run(bench.spec("sh", "-c", script, **changes)) == end


def test_exit_is_never_told_before_spawn_returns(bench):
    async def main():
        started = bench.start(bench.spec("true"))
        os.waitid(os.P_PID, started.child.pid, os.WEXITED | os.WNOWAIT)
        assert not started.ended.done()
        return await started.ended

    assert asyncio.run(main()) == Exit(code=0)


def test_reaped_by_somebody_else_is_lost(bench):
    async def main():
        started = bench.start(bench.spec("true"))
        os.waitpid(started.child.pid, 0)
        return await started.ended

    assert asyncio.run(main()) == Exit(cause="lost")


def test_an_end_that_cannot_be_dealt_with_is_lost(bench, monkeypatch):
    reported = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        spawner = Spawner(loop)
        first, second = (bench.start(bench.spec("true"), spawner=spawner) for _ in range(2))

        def fail():
            raise KeyError("reap")

        monkeypatch.setattr(first.child, "_reap", fail)
        assert await first.ended == Exit(cause="lost")
        assert await second.ended == Exit(code=0)
        os.waitpid(first.child.pid, 0)

    asyncio.run(main())
    assert [repr(error) for error in reported] == ["KeyError('reap')"]


def test_a_failing_listener_is_called_once_and_costs_the_others_nothing(bench):
    reported, told = [], []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        spawner = Spawner(loop)

        def fail(end):
            told.append(end)
            raise KeyError("listener")

        pids = [spawner.spawn(bench.spec("true"), fail).pid for _ in range(2)]
        for pid in pids:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert await bench.start(bench.spec("true"), spawner=spawner).ended == Exit(code=0)

    asyncio.run(main())
    assert told == [Exit(code=0)] * 2
    assert len(reported) == 2


def test_a_libc_whose_posix_spawn_knows_no_directories(bench, tmp_path, monkeypatch):
    monkeypatch.setattr("stoker.process.libc.can_spawn_in", lambda: False)
    spec = bench.spec("sh", "-c", "cat; pwd -P; exit 3", stdin=b"in\n", cwd=str(tmp_path))
    assert bench.run(spec) == Exit(code=3)
    assert bench.out.read_text() == f"in\n{tmp_path.resolve()}\n"
    assert "/no/such does not exist" in str(refusal(bench, "/no/such", cwd=str(tmp_path)))


def test_a_closed_spawner_leaves_processes_alone(bench):
    async def main():
        gc.collect()  # what other tests have left is not to be closed in between
        before = os.listdir("/proc/self/fd")
        spawner = Spawner(asyncio.get_running_loop())
        started = bench.start(bench.spec("sleep", "1000"), spawner=spawner)
        spawner.close()
        os.killpg(started.child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, started.child.pid, os.WEXITED)
        await asyncio.sleep(0)
        assert not started.ended.done()
        assert len(os.listdir("/proc/self/fd")) == len(before) + 1  # The child's pidfd.

    asyncio.run(main())


def test_its_working_directory(bench, tmp_path):
    before = os.getcwd()
    assert bench.run(bench.spec("pwd", "-P", cwd=str(tmp_path))) == Exit(code=0)
    assert bench.out.read_text() == f"{tmp_path.resolve()}\n"
    assert os.getcwd() == before


@pytest.mark.parametrize("elsewhere", [False, True])
def test_its_environment_is_the_given_one_and_the_marker(bench, tmp_path, elsewhere):
    cwd = str(tmp_path) if elsewhere else os.getcwd()
    env = {"PATH": os.environ["PATH"], "NAME": "wörld", MARKER: "outer/step/1"}
    bench.run(bench.spec("env", env=env, cwd=cwd))
    assert sorted(bench.out.read_text().splitlines()) == sorted(
        [f"PATH={env['PATH']}", "NAME=wörld", f"{MARKER}=outer/step/1//{bench.run_id}/step/1"]
    )


@pytest.mark.parametrize("elsewhere", [False, True])
def test_logs_are_private_and_appended_to(bench, tmp_path, elsewhere):
    cwd = str(tmp_path) if elsewhere else os.getcwd()
    for _ in range(2):
        bench.run(bench.spec("sh", "-c", "echo out; echo err >&2", cwd=cwd))
    assert bench.out.read_text() == "out\nout\n"
    assert bench.err.read_text() == "err\nerr\n"
    assert bench.out.stat().st_mode & 0o777 == bench.err.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("elsewhere", [False, True])
def test_both_outputs_may_share_a_log(bench, tmp_path, elsewhere):
    cwd = str(tmp_path) if elsewhere else os.getcwd()
    both = str(bench.out)
    bench.run(bench.spec("sh", "-c", "echo 1; echo 2 >&2; echo 3", stderr_path=both, cwd=cwd))
    assert bench.out.read_text() == "1\n2\n3\n"


def test_output_past_what_a_pipe_holds(bench):
    code = "import os\nfor i in range(100): os.write(1, b'o' * 9999); os.write(2, b'e' * 9999)"
    assert bench.run(bench.python(code)) == Exit(code=0)
    assert bench.out.stat().st_size == bench.err.stat().st_size == 999_900


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("data", [None, b"", b"some\n", b"x" * 300_000])
def test_stdin(bench, tmp_path, data, elsewhere):
    cwd = str(tmp_path) if elsewhere else os.getcwd()
    assert bench.run(bench.spec("cat", stdin=data, cwd=cwd)) == Exit(code=0)
    assert bench.out.read_bytes() == (data or b"")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_ignored_and_blocked_signals_are_not_inherited(bench, tmp_path, elsewhere):
    cwd = str(tmp_path) if elsewhere else os.getcwd()

    async def main():
        spawner = Spawner(asyncio.get_running_loop())
        ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        try:
            spec = bench.spec("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", cwd=cwd)
            await bench.start(spec, spawner=spawner).ended
        finally:
            signal.signal(signal.SIGHUP, ignored)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    asyncio.run(main())
    _, blocked_there, _, ignored_there = bench.out.read_text().split()
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1):
        assert (int(ignored_there, 16) | int(blocked_there, 16)) & (1 << (number - 1)) == 0


@pytest.mark.parametrize("elsewhere", [False, True])
def test_no_descriptor_leaks_into_the_child(bench, tmp_path, elsewhere):
    cwd = str(tmp_path) if elsewhere else os.getcwd()
    with open(os.devnull) as held:
        assert held.fileno() > 2
        code = "import os; print([n for n in range(64) if os.path.exists(f'/proc/self/fd/{n}')])"
        bench.run(bench.python(code, cwd=cwd, stdin=b"data"))
        passed = set(json.loads(bench.out.read_text()))
        ours = {int(name) for name in os.listdir("/proc/self/fd")}
    # What this process was itself given to pass on is none of ours.
    foreign = {
        fd for fd in ours if os.path.exists(f"/proc/self/fd/{fd}") and os.get_inheritable(fd)
    }
    assert passed - foreign <= {0, 1, 2} <= passed


def test_no_descriptor_leaks_here(bench, tmp_path):
    async def main():
        spawner = Spawner(asyncio.get_running_loop())

        async def round_() -> None:
            specs = [
                bench.spec("true", stdin=b"data"),
                bench.spec("true", cwd=str(tmp_path)),
                bench.spec("sh", "-c", "exit 3"),
            ]
            for started in [bench.start(spec, spawner=spawner) for spec in specs]:
                started.child.stop(0)
                await started.ended
            for wrong in (bench.spec("/nowhere"), bench.spec("true", cwd="/nowhere")):
                with pytest.raises(SpawnError):
                    spawner.spawn(wrong, lambda _: None)

        await round_()
        gc.collect()
        gc.collect()  # what other tests have left is not to be closed in between
        before = os.listdir("/proc/self/fd")
        for _ in range(10):
            await round_()
        gc.collect()
        assert os.listdir("/proc/self/fd") == before

    asyncio.run(main())


def test_what_is_left_of_its_group_is_killed(bench):
    async def main():
        started = bench.start(bench.spec("sh", "-c", "sleep 1000 & echo $!"))
        assert await started.ended == Exit(code=0)
        left = int(bench.out.read_text())
        try:
            pidfd = os.pidfd_open(left)
        except ProcessLookupError:
            return
        dead = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(pidfd, dead.set_result, None)
        await dead
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)

    asyncio.run(main())


def test_a_name_is_searched_on_the_childs_path(bench, tmp_path):
    tool = executable(tmp_path / "bin" / "tool")
    executable(tmp_path / "refused" / "tool", mode=0o644)
    (tmp_path / "directory" / "tool").mkdir(parents=True)
    path = f"{tmp_path}/none:{tmp_path}/directory:{tmp_path}/refused:{tmp_path}/bin:/bin"
    assert bench.run(bench.spec("tool", env={"PATH": path})) == Exit(code=0)
    assert bench.out.read_text() == f"{tool}\n"


@pytest.mark.parametrize(
    ("name", "path"), [("./tool", "/bin"), ("bin/../tool", "/bin"), ("tool", ":/bin")]
)
def test_a_relative_name_or_path_is_relative_to_its_directory(bench, tmp_path, name, path):
    executable(tmp_path / "tool", "#!/bin/sh\necho found\n")
    (tmp_path / "bin").mkdir()
    assert bench.run(bench.spec(name, env={"PATH": path}, cwd=str(tmp_path))) == Exit(code=0)
    assert bench.out.read_text() == "found\n"


def test_without_path_the_systems_default_holds(bench):
    assert bench.run(bench.spec("true", env={})) == Exit(code=0)


def test_a_command_that_moved_on_path_is_found_again(bench, tmp_path):
    env = {"PATH": f"{tmp_path}/a:{tmp_path}/b:/bin"}

    async def main():
        spawner = Spawner(asyncio.get_running_loop())
        first = executable(tmp_path / "a" / "tool")
        await bench.start(bench.spec("tool", env=env), spawner=spawner).ended
        first.unlink()
        with pytest.raises(SpawnError, match="not found"):
            spawner.spawn(bench.spec("tool", env=env), lambda _: None)
        second = executable(tmp_path / "b" / "tool")
        await bench.start(bench.spec("tool", env=env), spawner=spawner).ended
        assert bench.out.read_text().split() == [str(first), str(second)]

    asyncio.run(main())


def refusal(bench, *argv, **changes) -> SpawnError:
    with pytest.raises(SpawnError) as caught:
        bench.run(bench.spec(*argv, **changes))
    return caught.value


def test_not_found(bench):
    error = refusal(bench, "no-such-tool", env={"PATH": "/bin:/usr/bin"})
    assert str(error) == "no-such-tool: command not found on PATH (/bin:/usr/bin)"
    assert (error.command, error.errno, error.exit_code) == ("no-such-tool", errno.ENOENT, 127)


def test_not_found_on_a_long_path(bench):
    path = ":".join(f"/opt/tool{number}/bin" for number in range(30))
    said = str(refusal(bench, "no-such-tool", env={"PATH": path}))
    shown = ":".join(f"/opt/tool{number}/bin" for number in range(4))
    assert said == f"no-such-tool: command not found on PATH ({shown} and 26 more directories)"


def test_found_but_not_executable(bench, tmp_path):
    tool = executable(tmp_path / "tool", mode=0o644)
    error = refusal(bench, "tool", env={"PATH": str(tmp_path)})
    assert f"found {tool}, but it is not executable" in str(error)
    assert error.exit_code == 126
    assert "is not executable" in str(refusal(bench, str(tool)))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_other_refusals(bench, tmp_path, elsewhere):
    cwd = {"cwd": str(tmp_path)} if elsewhere else {}
    text = executable(tmp_path / "text", "echo no first line\n")
    alien = executable(tmp_path / "alien", "#!/no/such/interpreter -x\n")
    for argv, message in [
        (["/no/such"], "/no/such does not exist"),
        ([str(tmp_path)], "is a directory"),
        ([str(text)], "begins with #!"),
        ([str(alien)], "interpreter /no/such/interpreter"),
        (["true", "a\0b"], "NUL byte"),
        (["true", "x" * 3_000_000], "too long"),
        ([""], "the command is empty"),
        ([], "the command is empty"),
    ]:
        assert message in str(refusal(bench, *argv, **cwd)), argv


def test_a_wrong_directory_or_log_is_named(bench, tmp_path):
    (tmp_path / "file").touch()
    assert f"{tmp_path}/none does not exist" in str(
        refusal(bench, "true", cwd=str(tmp_path / "none"))
    )
    assert f"{tmp_path}/file is not a directory" in str(
        refusal(bench, "true", cwd=str(tmp_path / "file"))
    )
    log = str(tmp_path / "none" / "log")
    assert f"its log {log} cannot be written" in str(refusal(bench, "true", stdout_path=log))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_illegal_environment_is_refused(bench, tmp_path, elsewhere):
    cwd = str(tmp_path) if elsewhere else os.getcwd()
    for name, value in [("A=B", "1"), ("A", "\0"), ("\0", "1")]:
        assert "illegal name" in str(refusal(bench, "/bin/true", env={name: value}, cwd=cwd))


def test_out_of_descriptors(bench):
    code = """
import asyncio, os, resource, sys
from stoker.process.spawner import Spawner, SpawnError
from stoker.process.spec import ProcessSpec

async def main():
    spawner = Spawner(asyncio.get_running_loop())
    spec = ProcessSpec(argv=("true",), env={"PATH": os.environ["PATH"]}, cwd=os.getcwd(),
                       stdout_path=sys.argv[1], stderr_path=sys.argv[1], marker="a/b/1")
    used = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, used + 1))
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    try:
        spawner.spawn(spec, lambda _: None)
    except SpawnError as error:
        print(error, flush=True)
    for fd in held:
        os.close(fd)
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        print("nobody left")
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, bench.out], capture_output=True, text=True, check=False
    )
    assert "too many open files" in done.stdout, done.stderr
    assert done.stdout.endswith("nobody left\n")
