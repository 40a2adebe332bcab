"""Commits, backups, resets, status, search."""

import asyncio

import pytest

from stoker.workspace import backup, commit, reset
from stoker.workspace.errors import (
    IndexLocked,
    InvalidName,
    MergeConflict,
    RebaseInProgress,
    UnknownBranch,
    UnknownCommit,
    UnsafePath,
)
from stoker.workspace.message import compose
from stoker.workspace.model import Match
from stoker.workspace.search import search
from stoker.workspace.status import compare, status


def test_commit_takes_everything_but_what_is_ignored(bench, run):
    async def check():
        worktree = await bench.worktree()
        top = worktree.path
        (top / ".gitignore").write_text("*.log\n")
        (top / "x.log").write_text("x")
        (top / "a.txt").unlink()
        (top / "-new\n").write_text("n")
        (top / "dir" / "b.txt").write_text("edited\n")
        message = "Do it\n\nBody # not a comment"
        done = await commit.commit(worktree, message, trailers=[("Run", "r1")])
        assert done.oid == bench.git("rev-parse", "task")
        assert bench.git("status", "--porcelain", cwd=top) == ""
        names = bench.git("ls-tree", "-r", "-z", "--name-only", "task").split("\0")
        assert sorted(filter(None, names)) == ["-new\n", ".gitignore", "dir/b.txt"]
        text = bench.git("log", "-1", "--format=%an <%ae>%n%B", "task")
        assert text == "Tester <t@example.com>\nDo it\n\nBody # not a comment\n\nRun: r1"
        assert (await commit.commit(worktree, "again")).oid is None

    run(check())


def test_commit_in_a_repository_without_any(bench, run):
    from stoker.workspace.repository import Repository
    from stoker.workspace.worktree import Worktree

    empty = bench.top / "empty"
    bench.git("init", "--quiet", str(empty))

    async def check():
        worktree = Worktree.main(await Repository.open(empty))
        assert (await commit.commit(worktree, "nothing")).oid is None
        (empty / "a").write_text("a")
        kept = await backup.save(worktree, "early")
        assert kept.head is None
        assert bench.git("show", f"{kept.ref}:a", cwd=empty) == "a"
        assert (await commit.commit(worktree, "first")).oid is not None

    run(check())


def test_commit_refuses_what_is_unresolved(bench, run):
    async def check():
        worktree = await bench.worktree()
        bench.commit("a.txt", "theirs\n", cwd=worktree.path)
        bench.commit("a.txt", "ours\n")
        bench.git("merge", "main", cwd=worktree.path, check=False)
        with pytest.raises(MergeConflict) as caught:
            await commit.commit(worktree, "x")
        assert (caught.value.files, caught.value.operation) == (("a.txt",), "merge")
        found = await status(worktree, "main")
        assert (found.operation, found.conflicted_files) == ("merge", ("a.txt",))
        bench.git("merge", "--abort", cwd=worktree.path)
        bench.git("rebase", "main", cwd=worktree.path, check=False)
        with pytest.raises(RebaseInProgress):
            await commit.commit(worktree, "x")

    run(check())


def test_the_lock_of_a_killed_git(bench, run):
    async def check():
        worktree = await bench.worktree()
        (worktree.path / "new").write_text("n")
        (worktree.git.git_dir / "index.lock").write_text("")
        with pytest.raises(IndexLocked):
            await commit.commit(worktree, "x")
        (worktree.git.git_dir / "HEAD.lock").write_text("")
        (bench.path / ".git" / "refs" / "heads" / "task.lock").write_text("")
        assert (await commit.commit(worktree, "x", break_lock=True)).oid is not None

    run(check())


def test_messages():
    assert compose("Subject ", [("A", "1")]) == b"Subject\n\nA: 1\n"
    assert compose("S\n\nSigned: me", [("A", "1")]) == b"S\n\nSigned: me\nA: 1\n"
    assert compose("S: x", [("A", "1")]) == b"S: x\n\nA: 1\n"
    for message, trailers in (
        (" \n", []),
        ("x", [("A", "two\nlines")]),
        ("x", [("A b", "1")]),
        ("x", [("A", " ")]),
    ):
        with pytest.raises(ValueError, match=r"message|trailer"):
            compose(message, trailers)


def test_one_file_deleted_and_nothing_else_committed(bench, run):
    async def check():
        worktree = await bench.worktree()
        (worktree.path / "other").write_text("o")
        (worktree.path / "link").symlink_to(bench.path)
        done = await commit.delete_file(worktree, "dir/b.txt")
        assert done.oid == bench.git("rev-parse", "task")
        assert bench.git("show", "--name-status", "--format=", "task") == "D\tdir/b.txt"
        for path in ("../repo/a.txt", "link/a.txt", "nope", "/etc/passwd", ".git", "dir/../a.txt"):
            with pytest.raises(UnsafePath):
                await commit.delete_file(worktree, path)
        assert (bench.path / "a.txt").exists()

    run(check())


def test_backups_are_listed_and_restored(bench, run):
    async def check():
        worktree = await bench.worktree()
        repository, top = worktree.repository, worktree.path
        (top / "a.txt").write_text("staged\n")
        bench.git("add", "a.txt", cwd=top)
        (top / "a.txt").write_text("edited\n")
        (top / "dir" / "b.txt").unlink()
        (top / "new").write_text("n\n")
        before = bench.git("status", "--porcelain", cwd=top)
        kept = await backup.save(worktree, "task/x")
        assert bench.git("status", "--porcelain", cwd=top) == before
        assert bench.git("show", f"{kept.commit}^2:a.txt") == "staged"
        bench.commit("later.txt", "l\n", cwd=top)
        (top / "unsaved").write_text("u\n")
        replaced = await backup.restore(worktree, kept)
        assert await worktree.head() == kept.head == bench.git("rev-parse", "main")
        assert await worktree.branch() == "task"
        assert (top / "a.txt").read_text() == "edited\n"
        assert (top / "new").read_text() == "n\n"
        assert not (top / "dir" / "b.txt").exists()
        assert not (top / "unsaved").exists()
        assert bench.git("show", f"{replaced.ref}:unsaved") == "u"
        assert bench.git("show", f"{replaced.ref}:later.txt") == "l"
        assert await backup.backups(repository) == [replaced, kept]
        assert await backup.backups(repository, "task/x") == [replaced, kept]
        assert await backup.backups(repository, "task") == []
        assert await backup.find(repository, kept.ref) == kept
        with pytest.raises(UnknownCommit):
            await backup.find(repository, "refs/heads/main")
        for name in ("", "../x", "a b", "x.lock"):
            with pytest.raises(InvalidName):
                await backup.save(worktree, name)

    run(check())


def test_backups_at_the_same_time_have_each_their_own(bench, run):
    async def check():
        worktree = await bench.worktree()
        kept = await asyncio.gather(*(backup.save(worktree, "same") for _ in range(5)))
        assert len({one.ref for one in kept}) == 5
        assert len(await backup.backups(worktree.repository, "same")) == 5

    run(check())


def test_reset_keeps_what_it_discards(bench, run):
    async def check():
        worktree = await bench.worktree()
        top = worktree.path
        start = await worktree.head()
        assert await reset.reset(worktree, "task") is None
        lost = bench.commit("c.txt", "c\n", cwd=top)
        (top / "new").write_text("n\n")
        (top / ".gitignore").write_text("ignored\n")
        (top / "ignored").write_text("i")
        kept = await reset.reset(worktree, "task", start)
        assert await worktree.head() == start
        assert kept.head == lost
        assert bench.git("show", f"{kept.ref}:new") == "n"
        assert bench.git("status", "--porcelain", cwd=top) == "?? ignored"
        with pytest.raises(UnknownCommit):
            await reset.reset(worktree, "task", "main")

    run(check())


def test_reset_in_the_middle_of_a_rebase(bench, run):
    async def check():
        worktree = await bench.worktree()
        tip = bench.commit("a.txt", "theirs\n", cwd=worktree.path)
        bench.commit("a.txt", "ours\n")
        bench.git("rebase", "main", cwd=worktree.path, check=False)
        await reset.reset(worktree, "task", tip)
        assert worktree.operation() is None
        assert await worktree.branch() == "task"
        assert bench.git("rev-parse", "task") == tip
        assert bench.git("status", "--porcelain", cwd=worktree.path) == ""

    run(check())


def test_status(bench, run):
    async def check():
        worktree = await bench.worktree()
        bench.git("update-ref", "refs/remotes/origin/task", "main~1")
        ours = bench.commit("c.txt", "c\n", cwd=worktree.path)
        bench.commit("m.txt", "m\n")
        bench.commit("n.txt", "n\n")
        (worktree.path / "a.txt").write_text("edited")
        (worktree.path / "new").mkdir()
        (worktree.path / "new" / "x\ny").write_text("x")
        (worktree.path / "new" / "-z").write_text("x")
        bench.git("mv", "dir/b.txt", "u 1.2 x", cwd=worktree.path)
        found = await status(worktree, "main")
        assert (found.head_oid, found.branch) == (ours, "task")
        assert (found.commits_ahead, found.commits_behind) == (1, 2)
        assert (found.remote_commits_ahead, found.remote_commits_behind) == (2, 0)
        assert (found.uncommitted_count, found.untracked_count) == (2, 2)
        assert found.has_uncommitted_changes
        assert not found.is_rebase_in_progress
        with pytest.raises(UnknownBranch):
            await status(worktree, "nope")
        comparison = await compare(worktree, bench.git("rev-parse", "main~2"))
        assert (comparison.ahead_from_head, comparison.behind_from_head) == (1, 0)
        assert comparison.is_linear
        assert not (await compare(worktree, bench.git("rev-parse", "main"))).is_linear

    run(check())


def test_search(bench, run):
    bench.commit("src/widgets/Button.py", "x")
    bench.commit("src/button_test/deep/other.py", "x")
    (bench.path / "untracked-button").write_text("x")
    (bench.path / ".git" / "info" / "exclude").write_text("hidden*\n")
    (bench.path / "hidden-button").write_text("x")

    async def check():
        git = (await bench.open()).git
        assert await search(git, "Button") == [
            Match("src/widgets/Button.py", True, "FileName"),
            Match("untracked-button", True, "FileName"),
            Match("src/button_test", False, "DirectoryName"),
            Match("src/button_test/deep", False, "FullPath"),
            Match("src/button_test/deep/other.py", True, "FullPath"),
        ]
        assert await search(git, "button", limit=1) == [
            Match("src/widgets/Button.py", True, "FileName")
        ]
        assert await search(git, " ") == []

    run(check())
