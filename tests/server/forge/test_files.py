"""Which directories of a worktree are watched, and how many."""

from __future__ import annotations

import asyncio

import pytest
from repositories import git, make_repository

from stoker.process.logs import LogWatch
from stoker.server.forge import files
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree


@pytest.fixture
def repository(tmp_path):
    made = make_repository(tmp_path / "repository")
    (made / ".gitignore").write_text("node_modules/\n")
    for path in ("a/b/c", "node_modules/x/y", "new/inner"):
        (made / path).mkdir(parents=True)
    (made / "a/b/c/f").write_text("1")
    git(made, "add", "a", ".gitignore")
    (made / "node_modules/x/y/f").write_text("1")
    (made / "new/inner/f").write_text("1")
    return made


def watching(repository, scenario):
    async def main():
        watch = LogWatch(asyncio.get_running_loop())
        changed = asyncio.Event()
        found = files.Files(watch, changed.set)
        worktree = Worktree.main(await Repository.open(repository))
        try:
            await found.arm(worktree)
            return await scenario(found, worktree, changed)
        finally:
            found.close()
            assert watch._armed == {}
            watch.close()

    return asyncio.run(main())


def armed(found, repository):
    return {one.removeprefix(str(repository)).strip("/") for one in found._armed}


def test_what_git_ignores_is_not_watched(repository):
    async def scenario(found, worktree, changed):
        expected = {"", "a", "a/b", "a/b/c", "new", "new/inner"}
        assert armed(found, repository) == expected
        (repository / "node_modules/x/f").write_text("1")
        (repository / "a/b/c/f").write_text("2")
        await asyncio.wait_for(changed.wait(), 20)
        assert armed(found, repository) == expected - {"a/b/c"}
        await found.arm(worktree)
        assert armed(found, repository) == expected

    watching(repository, scenario)


def test_there_is_a_bound(repository, monkeypatch):
    monkeypatch.setattr(files, "_MOST", 3)

    async def scenario(found, worktree, changed):
        assert len(armed(found, repository)) == 3
        assert "" in armed(found, repository)

    watching(repository, scenario)


def test_where_nothing_more_can_be_watched_the_rest_goes_on(repository, monkeypatch):
    def full(self, path, callback):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogWatch, "once", full)

    async def scenario(found, worktree, changed):
        assert armed(found, repository) == set()

    watching(repository, scenario)
