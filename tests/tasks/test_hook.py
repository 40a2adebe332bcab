"""The hook for commits made by hand: real repositories, real commits."""

import asyncio
import os
import subprocess

import pytest

from stoker.tasks.errors import Conflict
from stoker.tasks.hook import install, uninstall
from stoker.workspace.repository import Repository


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    """No settings of whoever runs the tests."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    for name in [name for name in os.environ if name.startswith("GIT_AUTHOR")]:
        monkeypatch.delenv(name)


def git(directory, *args, check=True, **env):
    done = subprocess.run(
        ["git", "-C", directory, *args],
        check=check,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )
    return done.stdout.strip() if check else done


def do(what, world):
    async def main():
        return await what(await Repository.open(world.repository))

    return asyncio.run(main())


@pytest.fixture
def attempt(world, scripted):
    """One, with its worktree."""

    async def scenario(tasks):
        project = await tasks.catalog.create_project("P", str(world.repository))
        begun = await tasks.starter.create_and_start(
            project.project_id, scripted({"say": "hi"}), executor="SCRIPTED"
        )
        await tasks.turns.settled(begun.attempt.attempt_id)
        return begun.attempt

    return world.run(scenario)


def trailers(directory):
    return git(directory, "log", "-1", "--format=%(trailers:only,unfold)").splitlines()


def commit(directory, message, *more, **env):
    return git(directory, "commit", "--allow-empty", "-q", "-m", message, *more, check=False, **env)


def test_in_a_worktree_of_an_attempt_and_nowhere_else(world, attempt):
    hook = do(install, world)
    assert do(install, world) == hook  # again is no harm
    expected = [f"Stoker-Task: {attempt.task_id}", f"Stoker-Attempt: {attempt.attempt_id}"]
    signed = "Signed-off-by: Me <me@example.com>"
    assert commit(attempt.worktree, f"By hand\n\nWhy.\n\n{signed}").stderr == ""
    assert trailers(attempt.worktree) == [signed, *expected]
    commit(attempt.worktree, "Again", "--amend")
    assert trailers(attempt.worktree) == expected
    git(attempt.worktree, "commit", "--amend", "--no-edit", "--allow-empty", "-q")
    assert trailers(attempt.worktree) == expected
    commit(world.repository, "In the main checkout")
    assert trailers(world.repository) == []
    other = world.state.parent / "other"
    git(world.repository, "worktree", "add", "-q", "-b", "mine", str(other))
    commit(other, "In a worktree of somebody's own")
    assert trailers(other) == []
    assert do(uninstall, world)
    assert not do(uninstall, world)
    commit(attempt.worktree, "Without")
    assert trailers(attempt.worktree) == []
    assert not list(hook.parent.glob("commit-msg*stoker*"))
    assert not hook.exists()


def test_an_empty_message_gives_the_commit_up(world, attempt):
    do(install, world)
    before = git(attempt.worktree, "rev-parse", "HEAD")
    for verbose in ((), ("--verbose",)):
        given_up = git(
            attempt.worktree,
            *("commit", "--allow-empty", *verbose),
            check=False,
            GIT_EDITOR="true",
        )
        assert given_up.returncode == 1
        assert "empty commit message" in given_up.stderr
    assert git(attempt.worktree, "rev-parse", "HEAD") == before


def test_a_verbose_commit_keeps_its_trailers_out_of_the_diff(world, attempt):
    do(install, world)
    file = os.path.join(attempt.worktree, "new.txt")
    with open(file, "w") as text:
        text.write("x\n")
    git(attempt.worktree, "add", ".")
    write = "sh -c 'sed -i 1s/^/Written/ \"$1\"' -"
    git(attempt.worktree, "commit", "-q", "--verbose", GIT_EDITOR=write)
    assert git(attempt.worktree, "log", "-1", "--format=%B").splitlines()[:2] == ["Written", ""]
    assert trailers(attempt.worktree)[0] == f"Stoker-Task: {attempt.task_id}"


def existing(folder, script):
    folder.mkdir(parents=True, exist_ok=True)
    hook = folder / "commit-msg"
    hook.write_text(script)
    hook.chmod(0o755)
    return hook


def test_a_hook_that_was_there_runs_first_and_comes_back(world, attempt):
    theirs = '#!/bin/sh\ngrep -q good "$1" && echo "Seen: yes" >>"$1"\n'
    hook = existing(world.repository / ".git" / "hooks", theirs)
    assert do(install, world) == hook
    assert commit(attempt.worktree, "bad").returncode == 1
    assert commit(attempt.worktree, "good\n\nAbout: it").returncode == 0
    assert trailers(attempt.worktree)[:3] == [
        "About: it",
        "Seen: yes",
        f"Stoker-Task: {attempt.task_id}",
    ]
    # Somebody has put another over ours: two cannot be kept.
    hook.write_text("#!/bin/sh\n")
    with pytest.raises(Conflict, match="before-stoker"):
        do(install, world)
    assert not do(uninstall, world)
    hook.unlink()
    do(install, world)
    assert do(uninstall, world)
    assert hook.read_text() == theirs


def test_where_core_hooks_path_points(world, attempt, tmp_path):
    elsewhere = tmp_path / "hooks"
    git(world.repository, "config", "--global", "core.hooksPath", str(elsewhere))
    assert do(install, world) == elsewhere / "commit-msg"
    commit(attempt.worktree, "By hand")
    assert trailers(attempt.worktree)[0] == f"Stoker-Task: {attempt.task_id}"
    assert do(uninstall, world)
    git(world.repository, "config", "core.hooksPath", ".husky")
    with pytest.raises(Conflict, match=r"core\.hooksPath is \.husky"):
        do(install, world)
    assert not (world.repository / ".husky").exists()


def test_what_an_agent_puts_there_is_no_trailer(world, attempt):
    """The git directory of a worktree is its agent's to write."""
    from stoker.tasks.trailers import FILE, noted
    from stoker.workspace.worktree import Worktree

    async def main():
        repository = await Repository.open(world.repository)
        worktree = Worktree.open(repository, attempt.worktree)
        path = worktree.git.git_dir / FILE
        path.write_text(f"Signed-off-by: Boss\nIssue: a b\nIssue: {'x'}\n\x00\n")
        assert noted(worktree) == (("Issue", "x"),)
        path.unlink()
        assert noted(worktree) == ()

    asyncio.run(main())
