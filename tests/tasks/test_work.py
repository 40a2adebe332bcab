"""What attempts have made, in git: rebased, pushed, sent elsewhere."""

import subprocess

import pytest
from git_server import serving
from helping import WAIT, project, release, started, worked

from stoker.tasks.catalog import TaskChange
from stoker.tasks.errors import Conflict, Unknown
from stoker.workspace import backup
from stoker.workspace.errors import (
    AuthFailed,
    MergeConflict,
    NoOperationInProgress,
    NotAWorktree,
    RebaseInProgress,
    UnknownBranch,
    UnknownCommit,
    UnsafePath,
)
from stoker.workspace.remote import Credentials


def git(directory, *args):
    done = subprocess.run(
        ["git", "-C", directory, *args], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(world, name, content, branch="main"):
    git(world.repository, "switch", "-q", branch)
    (world.repository / name).write_text(content)
    git(world.repository, "add", ".")
    git(world.repository, "commit", "-q", "-m", f"{name} on {branch}")


def test_work_is_put_onto_what_the_target_has_become(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "b", "content": "x"}))
        key = attempt.attempt_id
        commit(world, "c", "y")
        assert (await tasks.work.branch_status(attempt)).commits_behind == 1
        kept = await tasks.work.rebase(key)
        assert kept.name == attempt.branch
        status = await tasks.work.branch_status(attempt)
        assert (status.commits_ahead, status.commits_behind) == (1, 0)
        assert (await tasks.work.merge(key)).changed

    world.run(scenario)


def test_work_is_put_onto_another_branch_which_is_its_target_then(world, scripted):
    git(world.repository, "branch", "old")

    async def scenario(tasks):
        commit(world, "only-old", "1", "old")
        attempt = await worked(
            tasks, world, scripted({"edit": "b", "content": "x"}), base_branch="old"
        )
        key = attempt.attempt_id
        with pytest.raises(UnknownBranch):
            await tasks.work.rebase(key, onto="nowhere")
        await tasks.work.rebase(key, onto="main")
        moved = await tasks.catalog.attempt(key)
        assert moved.target_branch == "main"
        assert [change.path for change in await tasks.work.changes(moved)] == ["b"]
        status = await tasks.work.change_target(key, "old")
        assert (status.target_branch_name, status.commits_ahead, status.commits_behind) == (
            "old",
            1,
            1,
        )
        with pytest.raises(UnknownBranch):
            await tasks.work.change_target(key, "nowhere")

    world.run(scenario)


def test_conflicts_wait_to_be_resolved_or_given_up(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "a.txt", "content": "mine\n"}))
        key = attempt.attempt_id
        before = git(attempt.worktree, "rev-parse", "HEAD")
        commit(world, "a.txt", "theirs\n")
        for end in ("abort", "continue"):
            with pytest.raises(MergeConflict) as caught:
                await tasks.work.rebase(key)
            assert caught.value.files == ("a.txt",)
            status = await tasks.work.branch_status(attempt)
            assert (status.operation, status.conflicted_files) == ("rebase", ("a.txt",))
            with pytest.raises(RebaseInProgress):
                await tasks.work.rebase(key)
            with pytest.raises(MergeConflict):
                await tasks.work.continue_rebase(key)
            if end == "abort":
                await tasks.work.abort_conflicts(key)
                assert git(attempt.worktree, "rev-parse", "HEAD") == before
        (world.state / "worktrees" / attempt.worktree / "a.txt").write_text("both\n")
        await tasks.work.continue_rebase(key)
        assert (await tasks.work.branch_status(attempt)).operation is None
        with pytest.raises(NoOperationInProgress):
            await tasks.work.abort_conflicts(key)
        await tasks.work.merge(key)
        assert (world.repository / "a.txt").read_text() == "both\n"

    world.run(scenario)


def test_a_branch_is_pushed(world, scripted):
    origin = world.state.parent / "origin.git"
    git(world.repository, "clone", "-q", "--bare", str(world.repository), str(origin))
    git(origin, "config", "http.receivepack", "true")

    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "b", "content": "x"}))
        with serving(origin.parent) as server:
            git(world.repository, "remote", "add", "origin", f"{server.url}/origin.git")
            with pytest.raises(AuthFailed):
                await tasks.work.push(attempt.attempt_id)
            word = Credentials(server.url, "s3cret")
            pushed = await tasks.work.push(attempt.attempt_id, credentials=word)
            assert git(origin, "rev-parse", attempt.branch) == pushed.commit
            git(attempt.worktree, "commit", "-q", "--amend", "-m", "again")
            again = await tasks.work.push(attempt.attempt_id, force=True, credentials=word)
            assert again.changed
        status = await tasks.work.branch_status(attempt)
        assert (status.remote_commits_ahead, status.remote_commits_behind) == (0, 0)

    world.run(scenario)


def test_files_commits_and_children(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "b", "content": "x"}))
        key = attempt.attempt_id
        before = git(attempt.worktree, "rev-parse", "HEAD")
        made = await tasks.work.delete_file(key, "a.txt")
        assert await tasks.work.commit_info(attempt, made.oid[:10]) == (made.oid, "Delete a.txt")
        compared = await tasks.work.compare(attempt, before)
        assert (compared.ahead_from_head, compared.behind_from_head, compared.is_linear) == (
            1,
            0,
            True,
        )
        for path in ("a.txt", "../a.txt", ".git"):
            with pytest.raises(UnsafePath):
                await tasks.work.delete_file(key, path)
        with pytest.raises(UnknownCommit):
            await tasks.work.commit_info(attempt, "--help")

        parent, same, children = await tasks.work.children(key)
        assert (parent, same.attempt_id, children) == (None, key, [])
        of = TaskChange(parent_attempt_id=key)
        child = await started(tasks, world, scripted({"say": "y"}), change=of)
        assert (await tasks.work.children(key))[2] == [child.task]
        parent, _, children = await tasks.work.children(child.attempt.attempt_id)
        assert (parent.task_id, children) == (attempt.task_id, [])
        with pytest.raises(Unknown):
            await tasks.work.children("none")

    world.run(scenario)


def test_nothing_changes_a_worktree_while_an_agent_works_in_it(world, scripted):
    async def scenario(tasks):
        await project(tasks, world)
        attempt = (await started(tasks, world, scripted(WAIT))).attempt
        key, work = attempt.attempt_id, tasks.work
        for refused in (
            work.rebase(key),
            work.continue_rebase(key),
            work.abort_conflicts(key),
            work.push(key),
            work.delete_file(key, "a.txt"),
        ):
            with pytest.raises(Conflict, match="at work"):
                await refused
        assert (await work.change_target(key, "main")).commits_ahead == 0
        release(attempt)
        await tasks.turns.settled(key)
        project_, _ = await tasks.catalog.origin(attempt)
        assert await backup.backups(await tasks.catalog.repository(project_)) == []

    world.run(scenario)


def test_looking_at_work_makes_no_worktree_but_changing_it_does(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "b", "content": "x"}))
        key = attempt.attempt_id
        (project_,) = await tasks.catalog.projects()
        await tasks.work.remove_worktree(key)
        assert await tasks.work.commit_info(attempt, attempt.base_commit)
        for looking in (
            tasks.work.compare(attempt, attempt.base_commit),
            tasks.work.search(project_, "b", attempt=attempt),
        ):
            with pytest.raises(NotAWorktree):
                await looking
        assert world.worktrees() == []
        assert (await tasks.work.change_target(key, "main")).commits_ahead == 1
        await tasks.work.remove_worktree(key)
        commit(world, "c", "y")
        await tasks.work.rebase(key)
        assert len(world.worktrees()) == 1

    world.run(scenario)
