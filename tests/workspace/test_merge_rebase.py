"""Merging and rebasing, with and without conflicts."""

import asyncio
from contextlib import suppress

import pytest

from stoker.workspace import merge, rebase
from stoker.workspace.errors import (
    Diverged,
    MergeConflict,
    NoOperationInProgress,
    RebaseInProgress,
    UnknownBranch,
    UnsafeOperation,
    WorktreeDirty,
)
from stoker.workspace.status import status


@pytest.fixture
def elsewhere(bench):
    """`main` is checked out nowhere."""
    bench.git("checkout", "--quiet", "--detach")
    return bench


def test_a_squash_merge_makes_one_commit_and_moves_the_branch_on(elsewhere, run):
    bench = elsewhere

    async def check():
        worktree = await bench.worktree()
        old = bench.git("rev-parse", "main")
        bench.commit("c.txt", "c\n", cwd=worktree.path)
        tip = bench.commit("d.txt", "d\n", cwd=worktree.path)
        (worktree.path / "uncommitted").write_text("u")
        done = await merge.merge(
            worktree.repository,
            "task",
            "main",
            "Title",
            trailers=[("Task", "7")],
        )
        assert done.changed
        assert bench.git("rev-parse", "main", "task") == f"{done.commit}\n{done.commit}"
        said = bench.git("log", "-1", "--format=%P|%an|%B", "main")
        assert said == f"{old}|Tester|Title\n\nTask: 7"
        assert bench.git("rev-parse", done.backup) == tip
        assert bench.git("status", "--porcelain", cwd=worktree.path) == "?? uncommitted"
        again = await merge.merge(worktree.repository, "task", "main", "Title")
        assert (again.changed, again.commit) == (False, done.commit)
        bench.commit("e.txt", "e\n", cwd=worktree.path)  # what follows merges, too
        assert (await merge.merge(worktree.repository, "task", "main", "More")).changed

    run(check())


def test_the_targets_checkout_follows_if_it_is_clean(bench, run):
    async def check():
        worktree = await bench.worktree()
        bench.commit("c.txt", "c\n", cwd=worktree.path)
        (bench.path / "mine").write_text("untracked")
        done = await merge.merge(worktree.repository, "task", "main", "Title")
        assert bench.git("rev-parse", "HEAD") == done.commit
        assert bench.git("symbolic-ref", "HEAD") == "refs/heads/main"
        assert (bench.path / "c.txt").read_text() == "c\n"
        assert bench.git("status", "--porcelain") == "?? mine"

    run(check())


@pytest.mark.parametrize("name", ["a.txt", "c.txt"])
def test_the_users_files_are_never_overwritten(bench, run, name):
    """Neither edited ones nor untracked ones that the merge would bring."""

    async def check():
        worktree = await bench.worktree()
        bench.commit("c.txt", "theirs\n", cwd=worktree.path)
        (bench.path / name).write_text("mine\n")
        before = bench.git("for-each-ref"), bench.git("status", "--porcelain")
        with pytest.raises(WorktreeDirty) as caught:
            await merge.merge(worktree.repository, "task", "main", "Title")
        assert caught.value.files == (name,)
        assert (bench.git("for-each-ref"), bench.git("status", "--porcelain")) == before
        assert (bench.path / name).read_text() == "mine\n"

    run(check())


def test_branches_that_have_diverged_stay_as_they_are(bench, run):
    async def check():
        worktree = await bench.worktree()
        bench.commit("a.txt", "theirs\n", cwd=worktree.path)
        bench.commit("m.txt", "m\n")
        repository = worktree.repository
        before = bench.git("for-each-ref")
        with pytest.raises(Diverged) as caught:
            await merge.merge(repository, "task", "main", "Title")
        assert (caught.value.ahead, caught.value.behind) == (1, 1)
        with pytest.raises(UnknownBranch):
            await merge.merge(repository, "task", "nope", "Title")
        assert bench.git("for-each-ref") == before
        assert bench.git("status", "--porcelain") == ""

    run(check())


def test_merges_at_once_all_arrive(elsewhere, run):
    bench = elsewhere

    async def check():
        made = []
        for n in range(6):
            worktree = await bench.worktree(f"t{n}")
            bench.commit(f"f{n}", "x", cwd=worktree.path)
            made.append(worktree)

        async def arrive(n, worktree):
            while True:
                with suppress(Diverged):
                    return await merge.merge(worktree.repository, f"t{n}", "main", f"T{n}")
                await rebase.rebase(worktree, "main")

        await asyncio.gather(*(arrive(n, worktree) for n, worktree in enumerate(made)))
        assert bench.git("rev-list", "--count", "main") == "8"
        names = bench.git("ls-tree", "--name-only", "main").split()
        assert [f"f{n}" for n in range(6)] == [name for name in names if name.startswith("f")]

    run(check())


def test_rebase_onto_a_branch_that_moved(bench, run):
    async def check():
        worktree = await bench.worktree()
        tip = bench.commit("c.txt", "c\n", cwd=worktree.path)
        bench.commit("m.txt", "m\n")
        (worktree.path / "untracked").write_text("u")
        kept = await rebase.rebase(worktree, "main")
        assert bench.git("rev-parse", "task~1") == bench.git("rev-parse", "main")
        assert bench.git("rev-parse", f"{kept.ref}^1") == tip
        assert bench.git("log", "-1", "--format=%an", "task") == "Tester"
        (worktree.path / "a.txt").write_text("edited")
        with pytest.raises(WorktreeDirty):
            await rebase.rebase(worktree, "main")
        with pytest.raises(UnknownBranch):
            await rebase.rebase(worktree, "nope")

    run(check())


def test_rebase_from_an_old_base_to_a_new_one(bench, run):
    bench.git("branch", "new-base", "main~1")
    bench.git("branch", "old-base")

    async def check():
        worktree = await bench.worktree(base="old-base")
        bench.commit("c.txt", "c\n", cwd=worktree.path)
        await rebase.rebase(worktree, "new-base", old_base="old-base")
        assert bench.git("rev-parse", "task~1") == bench.git("rev-parse", "new-base")
        assert not (worktree.path / "dir" / "b.txt").exists()

    run(check())


async def _conflict(bench):
    worktree = await bench.worktree()
    bench.commit("c.txt", "c\n", cwd=worktree.path)
    bench.commit("a.txt", "theirs\n", cwd=worktree.path)
    bench.commit("a.txt", "ours\n")
    with pytest.raises(MergeConflict) as caught:
        await rebase.rebase(worktree, "main")
    assert (caught.value.files, caught.value.operation) == (("a.txt",), "rebase")
    with pytest.raises(RebaseInProgress):
        await rebase.rebase(worktree, "main")
    found = await status(worktree, "main")
    assert found.is_rebase_in_progress
    assert found.conflicted_files == ("a.txt",)
    assert found.branch == "task"
    return worktree


def test_conflicts_of_a_rebase_are_resolved_and_it_goes_on(bench, run):
    async def check():
        worktree = await _conflict(bench)
        with pytest.raises(MergeConflict):  # markers are still there
            await rebase.resume(worktree)
        (worktree.path / "a.txt").write_text("both\n")
        await rebase.resume(worktree)
        assert worktree.operation() is None
        assert await worktree.branch() == "task"
        assert bench.git("show", "task:a.txt") == "both"
        assert bench.git("rev-parse", "task~2") == bench.git("rev-parse", "main")
        with pytest.raises(NoOperationInProgress):
            await rebase.resume(worktree)

    run(check())


def test_an_aborted_rebase_is_as_if_it_never_was_and_keeps_the_resolution(bench, run):
    async def check():
        worktree = await _conflict(bench)
        (worktree.path / "a.txt").write_text("half resolved\n")
        kept = await rebase.abort(worktree)
        assert kept.name == "task"
        assert bench.git("show", f"{kept.ref}:a.txt") == "half resolved"
        assert (worktree.path / "a.txt").read_text() == "theirs\n"
        assert bench.git("status", "--porcelain", cwd=worktree.path) == ""
        with pytest.raises(NoOperationInProgress):
            await rebase.abort(worktree)

    run(check())


@pytest.mark.parametrize(
    ("words", "parents"),
    [(("merge", "main"), 2), (("cherry-pick", "main"), 1), (("revert", "task~1"), 1)],
)
def test_what_is_begun_by_hand_is_continued_and_aborted(bench, run, words, parents):
    async def check():
        worktree = await bench.worktree()
        bench.commit("a.txt", "begun\n", cwd=worktree.path)
        tip = bench.commit("a.txt", "theirs\n", cwd=worktree.path)
        bench.commit("a.txt", "ours\n")
        bench.git(*words, cwd=worktree.path, check=False)
        assert worktree.operation() == words[0].replace("-", "_")
        await rebase.abort(worktree)
        assert (worktree.operation(), bench.git("rev-parse", "task")) == (None, tip)
        bench.git(*words, cwd=worktree.path, check=False)
        (worktree.path / "a.txt").write_text("both\n")
        await rebase.resume(worktree)
        assert worktree.operation() is None
        made = bench.git("log", "-1", "--format=%P", "task").split()
        assert (len(made), made[0]) == (parents, tip)

    run(check())


def test_a_rebase_that_would_run_commands_is_not_continued(bench, run):
    async def check():
        worktree = await _conflict(bench)
        todo = worktree.git.git_dir / "rebase-merge" / "git-rebase-todo"
        todo.write_text(f"exec touch {bench.top}/ran\n" + todo.read_text())
        (worktree.path / "a.txt").write_text("both\n")
        with pytest.raises(UnsafeOperation, match="exec touch"):
            await rebase.resume(worktree)
        assert not (bench.top / "ran").exists()
        await rebase.abort(worktree)
        assert not (bench.top / "ran").exists()

    run(check())
