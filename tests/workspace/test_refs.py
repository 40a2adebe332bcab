"""What is read from git's files is what git says, or nothing."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoker.workspace import refs
from stoker.workspace.errors import BranchExists
from stoker.workspace.model import Author

_ODD = [
    "HEAD",
    "a.lock",
    "a.lock/b",
    "-a",
    "a..b",
    ".a",
    "a/.b",
    "a.",
    "a//b",
    "/a",
    "a/",
    "@",
    "é",
]


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.sampled_from(_ODD), st.text("ab.-_/@{~^: 0lock", min_size=1, max_size=8)))
def test_a_plain_name_is_one_git_takes(name):
    if refs.plain(name):
        subprocess.run(["git", "check-ref-format", "--branch", name], check=True)
    assert name not in _ODD or not refs.plain(name)


def test_branches_loose_packed_and_moved_on(bench):
    git_dir = bench.path / ".git"
    first, second = bench.git("rev-parse", "main~1"), bench.git("rev-parse", "main")
    bench.git("branch", "old", first)
    bench.git("branch", "a/old", first)
    bench.git("pack-refs", "--all")
    assert refs.branch(git_dir, "old") == refs.branch(git_dir, "a/old") == first
    bench.git("update-ref", "refs/heads/old", second)
    assert refs.branch(git_dir, "old") == second
    assert refs.branch(git_dir, "ld") is None
    assert refs.taken(git_dir, "a/old")
    assert not refs.taken(git_dir, "a")


def test_heads_on_a_branch_unborn_and_detached(bench):
    git_dir = bench.path / ".git"
    assert refs.current(git_dir) == "main"
    assert refs.head(git_dir, git_dir) == bench.git("rev-parse", "main")
    bench.git("checkout", "--quiet", "--detach", "main~1")
    assert refs.current(git_dir) is None
    assert refs.head(git_dir, git_dir) == bench.git("rev-parse", "main~1")
    bench.git("symbolic-ref", "HEAD", "refs/heads/unborn")
    assert refs.current(git_dir) == "unborn"
    assert refs.head(git_dir, git_dir) is None


def test_links_and_symbolic_refs_are_left_to_git(bench, run):
    heads = bench.path / ".git" / "refs" / "heads"
    bench.git("symbolic-ref", "refs/heads/other", "refs/heads/main")
    (heads / "link").symlink_to("main")
    assert refs.branch(bench.path / ".git", "other") is None
    assert refs.branch(bench.path / ".git", "link") is None
    before = bench.state()

    async def check():
        for name in ("other", "link"):
            with pytest.raises(BranchExists):
                await bench.worktree(name)
        made = await bench.worktree("new", base="other")
        assert await made.head() == bench.git("rev-parse", "main")

    run(check())
    assert set(before[0].splitlines()) < set(bench.git("for-each-ref").splitlines())


@pytest.mark.parametrize("packed", [False, True])
def test_a_branch_that_is_made_is_one_git_would_have_made(bench, packed):
    """And where git would not make it, nothing is."""
    git_dir, author = bench.path / ".git", Author("Jo \N{SNOWMAN}", "jo@example.com")
    commit = bench.git("rev-parse", "main")
    assert refs.create(git_dir, "deep/er/one", commit, author)
    bench.git("branch", "theirs/two")
    if packed:
        bench.git("pack-refs", "--all")
    before = bench.git("for-each-ref")
    for name in ("deep/er/one", "deep/er", "deep/er/one/more", "theirs", "theirs/two/more"):
        assert not refs.create(git_dir, name, commit, author)
    (git_dir / "refs" / "heads" / "held.lock").touch()
    assert not refs.create(git_dir, "held", commit, author)
    assert (git_dir / "refs" / "heads" / "held.lock").exists()
    assert bench.git("for-each-ref") == before
    said = bench.git("log", "-g", "--format=%H %gn %ge %gs", "deep/er/one")
    assert said == f"{commit} {author.name} {author.email} branch: Created from {commit}"
    bench.git("fsck", "--strict")
    (git_dir / "refs" / "heads" / "held.lock").unlink()
    assert not list((git_dir / "refs").rglob("*.lock"))


def test_what_is_checked_out_nowhere_is_told_without_git(bench):
    git_dir = bench.path / ".git"
    bench.git("branch", "idle")
    bench.git("worktree", "add", "--quiet", "-b", "deep/busy", str(bench.top / "one"))
    bench.git("worktree", "add", "--quiet", "--detach", str(bench.top / "two"))
    listed = bench.git("worktree", "list", "--porcelain")
    for name in ("main", "idle", "deep/busy", "busy", "none"):
        assert refs.nowhere(git_dir, name) == (f"branch refs/heads/{name}\n" not in f"{listed}\n")
    # As where refs are kept in another way, or a worktree is half made.
    head = git_dir / "worktrees" / "two" / "HEAD"
    head.write_text("ref: refs/heads/.invalid\n")
    assert not refs.nowhere(git_dir, "idle")
    head.unlink()
    assert not refs.nowhere(git_dir, "idle")
