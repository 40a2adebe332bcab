"""Opening, names, branches, commits, identity."""

import subprocess

import pytest

from stoker.workspace.errors import InvalidName, NotARepository, UnknownBranch, UnknownCommit
from stoker.workspace.model import STOKER, Author
from stoker.workspace.repository import Repository


def test_opens_at_its_top_and_only_there_unless_told(bench, run):
    async def check():
        assert (await bench.open()).path == bench.path
        with pytest.raises(NotARepository, match="not a git repository"):
            await Repository.open(bench.path / "dir")
        assert (await Repository.open(bench.path / "dir", discover=True)).path == bench.path
        with pytest.raises(NotARepository, match="no such directory"):
            await Repository.open(bench.top / "nowhere")

    run(check())


def test_bare_and_empty_repositories_open(bench, run):
    bench.git("init", "--quiet", "--bare", str(bench.top / "bare.git"))
    bench.git("init", "--quiet", str(bench.top / "empty"))

    async def check():
        bare = await Repository.open(bench.top / "bare.git")
        assert bare.git.work_tree is None
        empty = await Repository.open(bench.top / "empty")
        assert await empty.head() is None
        assert await empty.current_branch() == "main"
        assert await empty.branches() == []
        with pytest.raises(UnknownBranch):
            await empty.base("main")

    run(check())


def test_a_working_tree_elsewhere_is_refused(bench, run):
    bench.git("config", "core.worktree", str(bench.top / "home"))
    with pytest.raises(NotARepository, match="elsewhere"):
        run(bench.open())


def test_a_foreign_owner_is_for_the_user_to_trust(bench, run):
    if subprocess.run(["chown", "-R", "12345", bench.path], check=False).returncode:
        pytest.skip("needs to be root to give a repository away")
    with pytest.raises(NotARepository, match="dubious ownership"):
        run(bench.open())
    bench.git("config", "--global", "safe.directory", str(bench.path), cwd=bench.top)
    assert run(bench.open()).path == bench.path


def test_branches_with_dates_and_remotes(bench, run):
    bench.git("clone", "--quiet", str(bench.path), str(bench.top / "clone"))
    clone = bench.top / "clone"
    bench.git("switch", "--quiet", "--create", "feature/x", cwd=clone)
    head = bench.commit("c.txt", "c\n", cwd=clone)

    async def check():
        repository = await Repository.open(clone)
        branches = {branch.name: branch for branch in await repository.branches()}
        assert set(branches) == {"main", "feature/x", "origin/main"}
        current = branches["feature/x"]
        assert (current.is_current, current.is_remote, current.commit) == (True, False, head)
        assert branches["origin/main"].is_remote
        stamp = int(bench.git("log", "-1", "--format=%ct", cwd=clone))
        assert current.last_commit_date.timestamp() == stamp
        assert await repository.current_branch() == "feature/x"
        assert await repository.base("origin/main") == branches["origin/main"].commit
        bench.git("checkout", "--quiet", "--detach", cwd=clone)
        assert await repository.current_branch() is None

    run(check())


@pytest.mark.parametrize(
    "name", ["", "-x", "a..b", "a b", "a\nb", "a~1", "@{-1}", "x.lock", "/x", "a\0b", "HEAD"]
)
def test_names_git_refuses(bench, run, name):
    async def check():
        repository = await bench.open()
        with pytest.raises(InvalidName):
            await repository.check_branch_name(name)
        with pytest.raises(UnknownBranch):
            await repository.branch_ref(name)

    run(check())


def test_a_branch_name_is_no_revision(bench, run):
    async def check():
        repository = await bench.open()
        for name in ("main~1", "main^", "main@{0}", "nope", "--all"):
            with pytest.raises(UnknownBranch):
                await repository.branch_ref(name)

    run(check())


def test_commit_info(bench, run):
    bench.git("commit", "--quiet", "--allow-empty", "--message", "Subject\n\nBody\nmore")

    async def check():
        repository = await bench.open()
        head = bench.git("rev-parse", "HEAD")
        assert await repository.commit(head[:10]) == head
        assert await repository.subject(head) == "Subject"
        for name in ("deadbeef", "main", "--all", "x\ny", ""):
            with pytest.raises(UnknownCommit):
                await repository.commit(name)

    run(check())


def test_author_is_who_is_configured_or_else_stoker(bench, run):
    assert run(bench.open()).author == Author("Tester", "t@example.com")
    bench.git("config", "user.name", "Local")
    assert run(bench.open()).author.name == "Local"
    bench.git("config", "--unset", "user.name")
    (bench.top / "home" / ".gitconfig").unlink()
    assert run(bench.open()).author == STOKER
