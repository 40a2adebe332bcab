"""Checkouts made in advance: what is made of one is what a new checkout would be."""

import asyncio
import os
from contextlib import asynccontextmanager

import pytest

from stoker.workspace import creation, removal, spares
from stoker.workspace.errors import BranchExists
from stoker.workspace.spares import Spares


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    monkeypatch.setattr(spares, "_WORTHWHILE", 1)


class Stock:
    """Spares of a bench's repository, and how many are ready."""

    def __init__(self, bench, repository, kept):
        self.bench, self.repository, self.kept = bench, repository, kept

    async def create(self, name, base="main", **options):
        path = self.bench.top / "wt" / name
        return await creation.create(self.repository, path, name, base, spares=self.kept, **options)

    @property
    def pool(self):
        return self.kept._pools[self.repository.common_dir]

    async def full(self, count=2):
        """There are enough, and the last of them is no longer being made."""
        while len(self.pool.ready) < count or self.pool.wanted or self.pool.spent or self.pool.used:
            await asyncio.sleep(0)


@asynccontextmanager
async def stocked(bench):
    """Two spares are ready, and one worktree was made."""
    (bench.top / "wt").mkdir(exist_ok=True)
    async with Spares(bench.top / "wt") as kept:
        stock = Stock(bench, await bench.open(), kept)
        await stock.create("first")
        await stock.full()
        yield stock


def _files(path):
    """All there is, but for where git's directory is."""
    return {
        str(file.relative_to(path)): (file.lstat().st_mode, file.is_file() and file.read_bytes())
        for file in path.rglob("*")
        if file != path / ".git"
    }


async def _like_a_new_one(bench, worktree, base):
    other = bench.top / "plain"
    bench.git("worktree", "add", "--quiet", "--detach", str(other), base)
    assert _files(worktree.path) == _files(other)
    assert bench.git("status", "--porcelain", cwd=worktree.path) == ""
    assert bench.git("rev-parse", "HEAD", cwd=worktree.path) == bench.git("rev-parse", base)
    assert bench.git("fsck") == ""
    bench.git("worktree", "remove", str(other))


def test_a_worktree_of_a_spare(bench, run):
    (bench.path / "run.sh").write_text("x")
    (bench.path / "run.sh").chmod(0o755)
    (bench.path / "link").symlink_to("a.txt")
    bench.commit("more", "m")

    async def check():
        async with stocked(bench) as stock:
            inodes = {(spare.files / "a.txt").stat().st_ino for spare in stock.pool.ready}
            worktree = await stock.create("second")
            assert (worktree.path / "a.txt").stat().st_ino in inodes
            assert await worktree.branch() == "second"
            await _like_a_new_one(bench, worktree, "main")
            await stock.full()
        assert sorted(os.listdir(bench.top / "wt")) == ["first", "second"]
        assert list((bench.path / ".git" / "stoker-intents").iterdir()) == []

    run(check())


def test_of_another_commit_than_was_expected(bench, run):
    async def check():
        async with stocked(bench) as stock:
            inodes = {(spare.files / "dir" / "b.txt").stat().st_ino for spare in stock.pool.ready}
            bench.git("rm", "--quiet", "a.txt")
            bench.commit("dir/c.txt", "new")
            worktree = await stock.create("second")
            assert (worktree.path / "dir" / "b.txt").stat().st_ino in inodes
            await _like_a_new_one(bench, worktree, "main")

    run(check())


@pytest.mark.parametrize("where", [".gitattributes", "dir/.gitattributes"])
def test_none_is_used_where_other_attributes_hold(bench, run, where):
    """Files that did not change are written with other line ends."""

    async def check():
        async with stocked(bench) as stock:
            bench.commit(where, "*.txt text eol=crlf\n")
            worktree = await stock.create("second")
            assert b"\r\n" in (worktree.path / "dir" / "b.txt").read_bytes()
            await _like_a_new_one(bench, worktree, "main")

    run(check())


def test_none_is_used_after_a_change_of_the_config(bench, run):
    async def check():
        async with stocked(bench) as stock:
            bench.git("config", "core.autocrlf", "true")
            worktree = await stock.create("second")
            assert b"\r\n" in (worktree.path / "a.txt").read_bytes()
            await _like_a_new_one(bench, worktree, "main")
            await stock.full()
            await _like_a_new_one(bench, await stock.create("third"), "main")

    run(check())


def test_sparse_checkouts_are_left_to_git(bench, run):
    async def check():
        async with stocked(bench) as stock:
            bench.git("sparse-checkout", "set", "dir")
            worktree = await stock.create("second")
            assert not (worktree.path / "dir" / ".git").exists()
            await _like_a_new_one(bench, worktree, "main")

    run(check())


def test_a_creation_that_fails_gives_its_spare_back(bench, run):
    async def check():
        async with stocked(bench) as stock:
            before = set(stock.pool.ready)
            with pytest.raises(BranchExists):
                await stock.create("main")
            assert set(stock.pool.ready) == before
            worktree = await stock.create("second")
            await _like_a_new_one(bench, worktree, "main")

    run(check())


def test_as_many_as_were_wanted_at_once(bench, run):
    async def check():
        async with stocked(bench) as stock:
            await asyncio.gather(*(stock.create(f"t{n}") for n in range(7)))
            await stock.full(7)
            made = await asyncio.gather(*(stock.create(f"u{n}") for n in range(7)))
            assert len({(worktree.path / "a.txt").stat().st_ino for worktree in made}) == 7
            for worktree in made:
                assert bench.git("status", "--porcelain", cwd=worktree.path) == ""

    run(check())


def _spoil(worktree, elsewhere):
    """What somebody may do who wants to leave something behind."""
    file = worktree / "a.txt"
    stat = file.stat()
    file.write_bytes(b"x" * stat.st_size)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (elsewhere / "b.txt").write_text("elsewhere\n")
    (worktree / "dir" / "b.txt").unlink()
    (worktree / "dir").rmdir()
    (worktree / "dir").symlink_to(elsewhere)
    (worktree / "seen.log").write_text("ignored\n")
    (worktree / "empty" / "deep").mkdir(parents=True)
    (worktree / "nested").mkdir()
    (worktree / "nested" / ".git").mkdir()
    (worktree / "run.sh").chmod(0o644)


def test_work_in_one_is_kept_when_it_is_removed(bench, run):
    async def check():
        async with stocked(bench) as stock:
            worktree = await stock.create("second")
            (worktree.path / "a.txt").write_text("mine\n")
            removed = await removal.remove(worktree, "second")
            assert bench.git("show", f"{removed.ref}:a.txt") == "mine"

    run(check())


@pytest.fixture
def spoilt(bench):
    """A repository in which much can be spoilt; where links may lead."""
    (bench.path / "run.sh").write_text("x")
    (bench.path / "run.sh").chmod(0o755)
    bench.commit(".gitignore", "*.log\n")
    elsewhere = bench.top / "elsewhere"
    elsewhere.mkdir()
    return elsewhere


def test_a_worktree_that_was_worked_in_is_used_again(bench, run, spoilt):
    async def check():
        async with stocked(bench) as stock:
            worktree = await stock.create("second")
            await stock.kept.lend(worktree, bench.git("rev-parse", "main"))
            inode = (worktree.path / ".gitignore").stat().st_ino
            bench.git("update-index", "--skip-worktree", "a.txt", cwd=worktree.path)
            _spoil(worktree.path, spoilt)
            bench.commit("later.txt", "what the next is at")
            assert await stock.kept.give(worktree)
            assert not await stock.kept.give(worktree)
            assert "second" not in bench.git("worktree", "list")
            await stock.full(3)
            assert inode in {(one.files / ".gitignore").stat().st_ino for one in stock.pool.ready}
            for name in ("t1", "t2", "t3"):
                await _like_a_new_one(bench, await stock.create(name), "main")
        assert (spoilt / "b.txt").read_text() == "elsewhere\n"
        assert sorted(os.listdir(bench.top / "wt")) == ["first", "t1", "t2", "t3"]

    run(check())


def test_a_worktree_whose_git_was_replaced_is_not(bench, run):
    async def check():
        async with stocked(bench) as stock:
            worktree = await stock.create("second")
            await stock.kept.lend(worktree, bench.git("rev-parse", "main"))
            inode = (worktree.path / "a.txt").stat().st_ino
            (worktree.path / ".git").unlink()
            (worktree.path / ".git").mkdir()
            assert await stock.kept.give(worktree)
            await stock.full()
            assert inode not in {(one.files / "a.txt").stat().st_ino for one in stock.pool.ready}

    run(check())


def test_files_to_be_written_over_by_an_index(bench, run, spoilt):
    async def check():
        commit = bench.git("rev-parse", "main")
        async with stocked(bench) as stock:
            place = bench.top / "place"
            async with stock.kept.somewhere(stock.repository, commit, place) as (index, there):
                assert there
                env = {"GIT_WORK_TREE": str(place), "GIT_INDEX_FILE": str(index)}
                await stock.repository.git.run("read-tree", "--reset", "-u", "HEAD~1", env=env)
                assert not (place / ".gitignore").exists()
                await stock.repository.git.run("read-tree", "--reset", "-u", "HEAD", env=env)
                _spoil(place, spoilt)
            assert not place.exists()
            await stock.full()
            for name in ("t1", "t2"):
                await _like_a_new_one(bench, await stock.create(name), "main")
            await stock.full()
            with pytest.raises(RuntimeError):
                async with stock.kept.somewhere(stock.repository, commit, place):
                    inode = (place / "a.txt").stat().st_ino
                    raise RuntimeError
            await stock.full()
            assert inode not in {(one.files / "a.txt").stat().st_ino for one in stock.pool.ready}

    run(check())


async def _still(stock):
    """All that was expected is done."""
    while stock.pool.behind or stock.pool.moving.locked() or stock.kept._wake.is_set():
        await asyncio.sleep(0)


def test_what_is_expected_is_there_when_it_is_wanted(bench, run):
    async def check():
        async with stocked(bench) as stock:
            place = bench.top / "place"
            work = bench.commit("new.txt", "new")
            stock.kept.expect(stock.repository, work)
            await _still(stock)
            async with stock.kept.somewhere(stock.repository, work, place) as (_, there):
                assert there
                assert (place / "new.txt").read_text() == "new"
            tree = bench.git("rev-parse", "HEAD^{tree}")
            merged = bench.git("commit-tree", "-p", "HEAD~1", "-m", "merged", tree)
            bench.git("branch", "merged", merged)
            stock.kept.expect(stock.repository, merged, same_as=work)
            async with stock.kept.somewhere(stock.repository, merged, place) as (_, there):
                assert there
            await _still(stock)
            await _like_a_new_one(bench, await stock.create("second", "merged"), "merged")

    run(check())


def test_what_is_expected_is_waited_for_while_it_is_made(bench, run):
    async def check():
        async with stocked(bench) as stock:
            work = bench.commit("new.txt", "new")
            stock.kept.expect(stock.repository, work)
            while not stock.pool.moving.locked():
                await asyncio.sleep(0)
            place = bench.top / "place"
            async with stock.kept.somewhere(stock.repository, work, place) as (_, there):
                assert there

    run(check())


def test_what_other_attributes_hold_for_is_not_expected(bench, run):
    async def check():
        async with stocked(bench) as stock:
            work = bench.commit(".gitattributes", "*.txt text eol=crlf\n")
            stock.kept.expect(stock.repository, work)
            await _still(stock)
            place = bench.top / "place"
            async with stock.kept.somewhere(stock.repository, work, place) as (_, there):
                assert not there
            await _like_a_new_one(bench, await stock.create("second"), "main")

    run(check())
