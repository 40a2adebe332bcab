"""Worktrees made, removed and made again."""

import asyncio
import os
import subprocess
import sys

import pytest

from stoker.workspace import backup, commit, creation, recovery, removal
from stoker.workspace.errors import (
    BranchExists,
    BranchInUse,
    GitFailed,
    InvalidName,
    NotAWorktree,
    PathExists,
    UnknownBranch,
    UnsafePath,
    WorktreeDirty,
)
from stoker.workspace.worktree import Worktree, listing


def test_create_gives_a_clean_checkout_on_a_branch_of_its_own(bench, run):
    async def check():
        worktree = await bench.worktree("task/one")
        assert (worktree.path / "a.txt").read_text() == "one\n"
        assert await worktree.branch() == "task/one"
        assert await worktree.head() == bench.git("rev-parse", "main")
        assert bench.git("status", "--porcelain", cwd=worktree.path) == ""
        assert bench.git("status", "--porcelain") == ""
        listed = {entry.branch: entry for entry in await listing(worktree.repository)}
        assert listed["task/one"].path == str(worktree.path)
        again = Worktree.open(worktree.repository, worktree.path)
        assert again.git.git_dir == worktree.git.git_dir
        with pytest.raises(NotAWorktree):
            Worktree.open(worktree.repository, bench.top / "wt" / "other")

    run(check())


def test_create_from_a_remote_branch_sets_no_upstream(bench, run):
    bench.git("update-ref", "refs/remotes/origin/topic", "main~1")

    async def check():
        worktree = await bench.worktree(base="origin/topic")
        assert await worktree.head() == bench.git("rev-parse", "main~1")
        assert bench.git("config", "--get-regexp", r"^branch\.", check=False) == ""

    run(check())


def test_what_fails_leaves_nothing(bench, run):
    taken = bench.top / "wt" / "taken"
    taken.mkdir(parents=True)
    (taken / "mine").write_text("x")
    bench.git("branch", "there")
    before = bench.state()

    async def check():
        repository = await bench.open()
        path = bench.top / "wt" / "new"
        for error, arguments in (
            (UnknownBranch, (path, "b", "nope")),
            (InvalidName, (path, "-b", "main")),
            (BranchExists, (path, "there", "main")),
            (PathExists, (taken, "b", "main")),
            (GitFailed, (path, "there/below", "main")),
        ):
            with pytest.raises(error):
                await creation.create(repository, *arguments)
            assert bench.state() == before
        with pytest.raises(UnsafePath):
            await creation.create(repository, path, "b", "main", copy_files=["../x"])
        assert bench.state() == before

    run(check())
    assert (taken / "mine").read_text() == "x"


def test_a_checkout_that_fails_leaves_nothing(bench, run):
    blob = bench.git("rev-parse", "main:dir/b.txt")
    (bench.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    before = bench.state()
    with pytest.raises(GitFailed):
        run(bench.worktree())
    assert bench.state() == before


def test_cancelled_leaves_nothing(bench, run):
    before = bench.state()

    async def check():
        repository = await bench.open()
        path = bench.top / "wt" / "task"
        for patience in range(0, 40, 3):  # wherever it is then
            task = asyncio.ensure_future(creation.create(repository, path, "task", "main"))
            for _ in range(patience):
                await asyncio.sleep(0)
            await asyncio.sleep(patience / 2000)
            task.cancel()
            try:
                worktree = await task
            except asyncio.CancelledError:
                assert bench.state() == before
            else:
                await removal.remove(worktree, "task")
                bench.git("branch", "--delete", "--force", "task")

    run(check())


def test_fifty_at_once(bench, run):
    async def check():
        repository = await bench.open()
        made = await asyncio.gather(
            *(
                creation.create(repository, bench.top / "wt" / f"t{n}", f"t/{n}", "main")
                for n in range(50)
            )
        )
        assert len({worktree.git.git_dir for worktree in made}) == 50
        for worktree in made:
            assert (worktree.path / "dir" / "b.txt").exists()
            assert (worktree.git.git_dir / "index").exists()
        assert len(await listing(repository)) == 51
        await asyncio.gather(*(removal.remove(worktree, "x") for worktree in made))
        assert len(await listing(repository)) == 1

    run(check())
    assert os.listdir(bench.top / "wt") == []
    assert bench.git("fsck") == ""


def test_two_for_one_branch_or_path(bench, run):
    async def check():
        repository = await bench.open()
        path = bench.top / "wt"
        results = await asyncio.gather(
            *(creation.create(repository, path / f"{n}", "same", "main") for n in range(4)),
            *(creation.create(repository, path / "same", f"b{n}", "main") for n in range(4)),
            return_exceptions=True,
        )
        kinds = sorted(type(result).__name__ for result in results)
        assert kinds == ["BranchExists"] * 3 + ["PathExists"] * 3 + ["Worktree"] * 2
        branches = {branch.name for branch in await repository.branches()}
        assert len(branches) == 3
        assert "same" in branches

    run(check())


def test_copy_files_are_there_and_never_committed(bench, run):
    (bench.path / ".env").write_text("SECRET=1\n")
    (bench.path / ".env").chmod(0o600)
    (bench.path / "conf [x]!").mkdir()
    (bench.path / "conf [x]!" / "#odd name").write_text("y")

    async def check():
        worktree = await bench.worktree(copy_files=[".env", "conf*/*", "missing", "a.txt"])
        copied = worktree.path / ".env"
        assert copied.read_text() == "SECRET=1\n"
        assert copied.stat().st_mode & 0o777 == 0o600
        assert (worktree.path / "conf [x]!" / "#odd name").read_text() == "y"
        assert (await commit.commit(worktree, "nothing of it")).oid is None
        assert await removal.remove(worktree, "task") is None
        assert bench.git("status", "--porcelain") != ""  # no setting of the user's hides them

    run(check())


def test_remove_keeps_what_is_uncommitted(bench, run):
    async def check():
        worktree = await bench.worktree()
        (worktree.path / "a.txt").write_text("edited\n")
        (worktree.path / "new\nname").write_text("new\n")
        removed = await removal.remove(worktree, "task")
        assert not worktree.path.exists()
        assert removed is not None
        kept = removed.ref
        assert bench.git("show", f"{kept}:a.txt") == "edited"
        assert bench.git("show", f"{kept}:new\nname") == "new"
        assert [entry.branch for entry in await listing(worktree.repository)] == ["main"]
        assert bench.git("rev-parse", "task") == bench.git("rev-parse", "main")

    run(check())


def test_remove_keeps_commits_that_no_branch_has(bench, run):
    async def check():
        worktree = await bench.worktree()
        bench.git("checkout", "--quiet", "--detach", cwd=worktree.path)
        lost = bench.commit("c.txt", "c\n", cwd=worktree.path)
        removed = await removal.remove(worktree, "task")
        assert removed is not None
        assert removed.commit == lost

    run(check())


def test_remove_of_a_clean_one_needs_no_backup(bench, run):
    async def check():
        worktree = await bench.worktree()
        assert await removal.remove(worktree, "task") is None
        assert await backup.backups(worktree.repository) == []

    run(check())


def test_remove_refuses_repositories_inside(bench, run):
    async def check():
        worktree = await bench.worktree()
        inner = worktree.path / "vendor" / "inner"
        bench.git("init", "--quiet", str(inner))
        with pytest.raises(WorktreeDirty) as caught:
            await removal.remove(worktree, "task")
        assert caught.value.files == ("vendor/inner/",)
        bench.commit("x", "x", cwd=inner)
        with pytest.raises(WorktreeDirty):
            await removal.remove(worktree, "task")
        assert (inner / "x").exists()
        await removal.remove(worktree, "task", discard_nested=True)
        assert not worktree.path.exists()

    run(check())


def test_remove_even_if_the_index_is_broken(bench, run):
    async def check():
        worktree = await bench.worktree()
        (worktree.path / "new").write_text("new\n")
        (worktree.git.git_dir / "index").write_bytes(b"nonsense")
        removed = await removal.remove(worktree, "task")
        assert removed is not None
        assert bench.git("show", f"{removed.ref}:new") == "new"
        assert bench.git("show", f"{removed.ref}:a.txt") == "one"

    run(check())


def test_remove_of_the_repository_itself_is_refused(bench, run):
    async def check():
        repository = await bench.open()
        with pytest.raises(UnsafePath):
            await removal.remove(Worktree.main(repository), "x")

    run(check())
    assert (bench.path / "a.txt").exists()


def test_files_may_be_deleted_later(bench, run):
    async def check():
        worktree = await bench.worktree()
        (worktree.path / "sealed").mkdir()
        (worktree.path / "sealed" / "file").write_text("x")
        (worktree.path / "sealed").chmod(0o555)
        await removal.remove(worktree, "task", wait=False)
        assert not worktree.path.exists()
        (trash,) = os.listdir(bench.top / "wt")
        again = await creation.recreate(worktree.repository, worktree.path, "task")
        assert sorted(os.listdir(bench.top / "wt")) == sorted([trash, "task"])
        assert await recovery.sweep(worktree.repository) == 1
        assert os.listdir(bench.top / "wt") == ["task"]
        assert (again.path / "a.txt").exists()
        assert await recovery.sweep(worktree.repository) == 0

    run(check())


def test_recreate_from_the_branch(bench, run):
    async def check():
        worktree = await bench.worktree()
        (worktree.path / "c.txt").write_text("c\n")
        await commit.commit(worktree, "c")
        with pytest.raises(BranchInUse):
            await creation.recreate(worktree.repository, bench.top / "wt" / "two", "task")
        await removal.remove(worktree, "task")
        again = await creation.recreate(worktree.repository, worktree.path, "task")
        assert (again.path / "c.txt").read_text() == "c\n"
        with pytest.raises(UnknownBranch):
            await creation.recreate(worktree.repository, bench.top / "wt" / "x", "nope")

    run(check())


@pytest.mark.parametrize("elsewhere", [False, True])
def test_recreate_after_the_directory_was_deleted_by_hand(bench, run, elsewhere):
    async def check():
        worktree = await bench.worktree()
        bench.git("worktree", "list")
        for name in ("a.txt", "dir/b.txt", ".git"):
            (worktree.path / name).unlink()
        (worktree.path / "dir").rmdir()
        worktree.path.rmdir()
        path = bench.top / "wt" / ("other" if elsewhere else "task")
        again = await creation.recreate(worktree.repository, path, "task")
        assert (again.path / "a.txt").exists()
        assert len(await listing(worktree.repository)) == 2

    run(check())


def test_paths_with_links_and_odd_names(bench, run):
    (bench.top / "real").mkdir()
    (bench.top / "link").symlink_to(bench.top / "real")

    async def check():
        repository = await bench.open()
        path = bench.top / "link" / "-odd\n nämé"
        worktree = await creation.create(repository, path, "task", "main")
        assert (path / "a.txt").exists()
        assert Worktree.open(repository, path).git.git_dir == worktree.git.git_dir
        (path / "new").write_text("x")
        assert await removal.remove(worktree, "task") is not None
        assert os.listdir(bench.top / "real") == []

    run(check())


def test_several_processes_at_once(bench):
    program = """
import asyncio, sys
from pathlib import Path
from stoker.workspace import creation
from stoker.workspace.repository import Repository
async def main(top, who):
    repository = await Repository.open(Path(top, "repo"))
    async with asyncio.TaskGroup() as group:
        for n in range(6):
            name = f"{who}-{n}"
            group.create_task(creation.create(repository, Path(top, "wt", name), name, "main"))
asyncio.run(main(*sys.argv[1:]))
"""
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(bench.top), f"p{n}"]) for n in range(4)
    ]
    assert [child.wait() for child in children] == [0] * 4
    assert len(bench.git("worktree", "list").splitlines()) == 25
    assert list((bench.path / ".git" / "stoker-intents").iterdir()) == []
