"""Programs that are run to their end: what they are told, what they say, and what is left."""

import asyncio
import os
import select
from contextlib import suppress
from pathlib import Path

import pytest

from stoker.workspace import program
from stoker.workspace.errors import GitTimeout, OutputTooLarge
from stoker.workspace.program import Output, execute


def _run(*argv, stdin=None, timeout=60.0):
    return asyncio.run(execute(argv, cwd="/", env=dict(os.environ), stdin=stdin, timeout=timeout))


def test_much_is_told_and_much_is_said():
    data = os.urandom(3 << 20)
    shell = "cat; head -c 100000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 3"
    found = _run("sh", "-c", shell, stdin=data)
    assert found.stdout == data
    assert found.stderr.endswith("x" * 100 + "end\n")
    assert len(found.stderr) <= program._STDERR_TAIL
    assert found.code == 3
    assert _run("sh", "-c", "kill -9 $$") == Output(-9, b"", "")
    assert _run("cat").stdout == b""


def children() -> set[str]:
    """Of this process, whichever test has begun them."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for file in tasks for pid in file.read_text().split()}


def wait_until_over(pid: int) -> None:
    """Of a process that is ended, but perhaps not over yet."""
    with suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            assert select.select([pidfd], [], [], 30)[0]
        finally:
            os.close(pidfd)


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_nothing_is_left_of_one_that_is_ended(tmp_path, stubborn):
    """Nor of what it has started, also if that does not mind being asked."""
    told = tmp_path / "told"
    os.mkfifo(told)
    script = f"({stubborn}echo $(exec sh -c 'echo $PPID') > {told}; exec sleep 600) & wait"

    async def ended(*, by_time: bool) -> int:
        began = asyncio.create_task(asyncio.to_thread(told.read_text))
        env = dict(os.environ)
        limit = 2.0 if by_time else 600.0
        argv = ("sh", "-c", script)
        work = asyncio.create_task(execute(argv, cwd="/", env=env, timeout=limit))
        child = int(await began)
        if not by_time:
            work.cancel()
        with pytest.raises(GitTimeout if by_time else asyncio.CancelledError):
            await work
        return child

    before, others = len(os.listdir("/proc/self/fd")), children()
    for by_time in (True, False):
        wait_until_over(asyncio.run(ended(by_time=by_time)))
    assert len(os.listdir("/proc/self/fd")) == before
    assert children() == others


def test_more_than_can_be_kept_is_an_end(monkeypatch):
    monkeypatch.setattr(program, "OUTPUT_LIMIT", 1 << 20)
    with pytest.raises(OutputTooLarge):
        _run("cat", "/dev/zero")


def test_one_that_is_not_there_is_said():
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        _run("no-such-program", stdin=b"x")
    assert len(os.listdir("/proc/self/fd")) == before
