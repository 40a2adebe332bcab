"""kill -9 in the middle: of making, and of removing, a worktree. Nothing half-done after that.

A program called `git` (and `rm`) in front of the real one kills its parent at a chosen call: before
the real one has run, after it, or while it runs.
"""

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys

import pytest

from stoker.workspace import backup, creation, recovery, removal
from stoker.workspace.worktree import Worktree, listing

_SHIM = """#!/bin/sh
n=1; while ! mkdir {count}-$n 2>/dev/null; do n=$((n + 1)); done  # several may run at once
[ $n = {at} ] && [ {when} = before ] && kill -9 $PPID && exit 1
if [ $n = {at} ] && [ {when} = during ]; then
  timeout -s KILL {patience} {real} "$@"; kill -9 $PPID; exit 1
fi
{real} "$@"; code=$?
[ $n = {at} ] && [ {when} = after ] && kill -9 $PPID
exit $code
"""
_CREATE = """
import asyncio, sys
from stoker.workspace import creation
from stoker.workspace.repository import Repository
async def main(repo, path):
    repository = await Repository.open(repo)
    await creation.create(repository, path, "task", "main", copy_files=[".env"])
asyncio.run(main(*sys.argv[1:]))
"""
_AT_EACH_CHANGE = """
import os, signal, sys
from pathlib import Path
left = int(sys.argv.pop())
def counted(owner, name):
    real = getattr(owner, name)
    def call(*args, **options):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    setattr(owner, name, call)
def begun(write):
    def call(path, data):
        global left
        left -= 1
        if not left:
            path.touch()  # as it is between being opened and being written
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, data)
    return call
def armed():
    Path.write_bytes = begun(Path.write_bytes)
    for name in ("mkdir", "write_bytes", "unlink", "rename", "rmdir"):
        counted(Path, name)
    counted(os, "pwrite")
"""
_SERVER = """
import asyncio, os, sys
from stoker.workspace import creation, spares
from stoker.workspace.repository import Repository
from pathlib import Path
spares._WORTHWHILE = 1
async def main(repo, folder):
    repository = await Repository.open(repo)
    async with spares.Spares(Path(folder)) as kept:
        await creation.create(repository, f"{folder}/task", "task", "main", spares=kept)
        pool = kept._pools[repository.common_dir]
        while len(pool.ready) < 2:
            await asyncio.sleep(0)
        armed()
        await creation.create(repository, f"{folder}/two", "two", "main", spares=kept)
    print("whole")
asyncio.run(main(*sys.argv[1:]))
"""
_REMOVE = """
import asyncio, sys
from stoker.workspace import removal
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree
async def main(repo, path):
    repository = await Repository.open(repo)
    await removal.remove(Worktree.open(repository, path), "task")
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=["usual", "odd"])
def route(request, bench):
    """Of a usual repository, the worktree is registered by us; of an odd one, by git."""
    if request.param == "odd":
        bench.git("config", "extensions.worktreeConfig", "true")
    return request.param


def _killed(bench, program, at, when, patience=0.0):
    """Run it with the shims; True: it was killed, False: it came to its end before."""
    folder = bench.top / "shims"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    count = folder / "count"
    for name in ("git", "rm"):
        real = shutil.which(name)
        text = _SHIM.format(count=count, at=at, when=when, real=real, patience=patience)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, bench.path, bench.top / "wt" / "task"],
        env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr.decode()
    for file in (bench.path / ".git" / "stoker-intents").glob("*"):
        with file.open() as held:  # by what it started, until that has ended, too
            fcntl.flock(held, fcntl.LOCK_EX)
    return done.returncode == -9


def _whole(bench, path):
    return bench.git("status", "--porcelain", cwd=path) == "" and (path / "a.txt").exists()


async def _after_creation(bench):
    """The next call succeeds, also for the same names, and nothing else is left."""
    repository = await bench.open()
    other = await creation.create(repository, bench.top / "wt" / "other", "other", "main")
    path = bench.top / "wt" / "task"
    if path.exists():  # it was killed after it was done
        assert _whole(bench, path)
        await removal.remove(Worktree.open(repository, path), "task")
        bench.git("branch", "-D", "task")
    made = await creation.create(repository, path, "task", "main")
    assert _whole(bench, made.path)
    assert _whole(bench, other.path)
    for worktree, branch in ((made, "task"), (other, "other")):
        await removal.remove(worktree, "x")
        bench.git("branch", "-D", branch)
    await recovery.sweep(repository)


@pytest.mark.parametrize("when", ["before", "after"])
def test_creation_killed_at_each_command(bench, run, route, when):
    (bench.path / ".env").write_text("x")
    before = bench.state()
    at = 1
    while _killed(bench, _CREATE, at, when):
        run(_after_creation(bench))
        assert bench.state() == before, at
        at += 1
    assert at > 4


def test_creation_killed_at_each_change(bench, run):
    """Of what we write ourselves, between the commands."""
    before, path = bench.state(), bench.top / "wt" / "task"
    program = _AT_EACH_CHANGE + "armed()" + _CREATE
    at = 1
    while True:
        done = subprocess.run(
            [sys.executable, "-c", program, bench.path, path, str(at)],
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, -9), done.stderr.decode()
        bench.git("worktree", "list")  # the user's git, before anybody has cleaned up
        run(_after_creation(bench))
        assert bench.state() == before, at
        if done.returncode == 0:
            break
        at += 1
    assert at > 10


def test_killed_with_spares_or_while_one_is_used(bench, run):
    """The next server deletes them; a worktree is whole or not there."""
    (bench.top / "wt").mkdir()
    program = _AT_EACH_CHANGE + _SERVER

    async def settle():
        repository = await bench.open()
        await creation.create(repository, bench.top / "wt" / "three", "three", "main")
        await recovery.sweep(repository)
        names = set(os.listdir(bench.top / "wt"))
        assert names - {"two"} == {"task", "three"}
        for name in sorted(names):
            path = bench.top / "wt" / name
            assert bench.git("status", "--porcelain", cwd=path) == ""
            assert (path / "dir" / "b.txt").exists()
            bench.git("worktree", "remove", str(path))
        branches = set(bench.git("branch", "--format=%(refname:short)").split())
        assert branches == names | {"main"}
        for branch in branches - {"main"}:
            bench.git("branch", "-D", branch)
        assert not list((bench.path / ".git" / "stoker-intents").iterdir())

    at = 1
    while True:
        done = subprocess.run(
            [sys.executable, "-c", program, bench.path, bench.top / "wt", str(at)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, -9), done.stderr
        run(settle())
        if done.returncode == 0:
            break
        at += 1
    assert at > 10


@pytest.mark.parametrize("patience", [0.004])
def test_creation_killed_while_git_works(bench, run, route, patience):
    (bench.path / ".env").write_text("x")
    before = bench.state()
    at = 1
    while _killed(bench, _CREATE, at, "during", patience):
        run(_after_creation(bench))
        assert bench.state() == before, at
        at += 1
    assert at > 4


@pytest.mark.parametrize("when", ["before", "after"])
def test_removal_killed_at_each_command(bench, run, when):
    path = bench.top / "wt" / "task"

    async def prepare():
        worktree = await bench.worktree()
        (worktree.path / "new").write_text("precious")

    async def settle():
        repository = await bench.open()
        await recovery.sweep(repository)
        if path.exists():  # it was killed before it was moved: all of it is there
            assert (path / "new").read_text() == "precious"
            assert (path / "a.txt").read_text() == "one\n"
            await removal.remove(Worktree.open(repository, path), "task")
        newest = (await backup.backups(repository, "task"))[0]
        assert bench.git("show", f"{newest.ref}:new") == "precious"
        assert [entry.branch for entry in await listing(repository)] == ["main"]
        assert os.listdir(bench.top / "wt") == []
        assert not list((bench.path / ".git" / "stoker-intents").iterdir())
        for kept in await backup.backups(repository):
            bench.git("update-ref", "-d", kept.ref)
        bench.git("branch", "-D", "task")

    run(prepare())
    at = 1
    while _killed(bench, _REMOVE, at, when):
        run(settle())
        run(prepare())
        at += 1
    assert at > 8


def test_a_git_that_outlives_its_killed_owner_is_waited_for(bench, run):
    """Only the Python process is killed; its `git worktree add` goes on and holds the lock."""
    bench.git("config", "extensions.worktreeConfig", "true")
    folder = bench.top / "shims"
    folder.mkdir()
    os.mkfifo(folder / "started")
    os.mkfifo(folder / "go")
    (folder / "git").write_text(
        f'#!/bin/sh\nif [ "$1" = worktree ]; then\n'
        f"echo > {folder}/started; read x < {folder}/go\nfi\n"
        f'exec {shutil.which("git")} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    child = subprocess.Popen(
        [sys.executable, "-c", _CREATE, bench.path, bench.top / "wt" / "task"],
        env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"},
    )
    (folder / "started").read_text()
    child.kill()
    child.wait()

    async def check():
        repository = await bench.open()
        path = bench.top / "wt" / "task"
        mine = asyncio.create_task(creation.create(repository, path, "task", "main"))
        while not _waits_for_a_lock():
            await asyncio.sleep(0)
        (folder / "go").write_text("\n")
        assert _whole(bench, (await mine).path)

    run(check())


def _waits_for_a_lock():
    import threading

    return any(thread.name == "workspace-lock" for thread in threading.enumerate())


def test_the_lock_of_a_ref_that_a_killed_git_left(bench, run):
    before = bench.state()
    assert _killed(bench, _CREATE, 3, "before")
    lock = bench.path / ".git" / "refs" / "heads" / "task.lock"
    lock.write_text("")
    run(_after_creation(bench))
    assert bench.state()[0] == before[0]
    assert not lock.exists()


@pytest.mark.parametrize("stage", range(8))
def test_each_file_that_a_killed_git_had_written(bench, run, stage):
    """`git worktree add`, killed after `stage` of what it does."""
    bench.git("config", "extensions.worktreeConfig", "true")
    before = bench.state()
    assert _killed(bench, _CREATE, 4, "before")
    admin, path = bench.path / ".git" / "worktrees" / "task", bench.top / "wt" / "task"
    steps = [
        lambda: admin.mkdir(parents=True),
        lambda: (admin / "locked").write_text(""),
        lambda: (admin / "locked").write_text("initializing"),
        lambda: path.mkdir(parents=True),
        lambda: (admin / "gitdir").write_text(f"{path}/.git\n"),
        lambda: (path / ".git").write_text(""),
        lambda: (path / ".git").write_text(f"gitdir: {admin}\n"),
        lambda: (admin / "HEAD").write_text("ref: refs/heads/task\n"),
    ]
    for step in steps[: stage + 1]:
        step()
    run(_after_creation(bench))
    assert bench.state() == before
