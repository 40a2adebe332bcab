"""Forgetting attempts, tasks and projects."""

import subprocess
from pathlib import Path

import pytest
from helping import WAIT, ends, release, started, worked

from stoker.journal.base import UnknownRun
from stoker.tasks.catalog import TaskChange
from stoker.tasks.errors import Conflict, Unknown
from stoker.tasks.removal import Removal
from stoker.workspace import backup
from stoker.workspace.errors import WorktreeDirty


async def gone(tasks, world, attempt):
    with pytest.raises(Unknown):
        await tasks.catalog.attempt(attempt.attempt_id)
    with pytest.raises(UnknownRun):
        await tasks.engine.journal.run(attempt.run_id)
    assert not (world.state / "runs" / attempt.run_id).exists()
    assert not Path(attempt.worktree).exists()


def test_an_attempt_is_forgotten_but_its_work_is_not(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "b", "content": "x"}))
        key = attempt.attempt_id
        Path(attempt.worktree, "late").write_text("y")
        await tasks.turns.save_draft(key, "follow_up", prompt="more")
        child = await tasks.catalog.create_task(
            (await tasks.catalog.task(attempt.task_id)).project_id,
            "child",
            None,
            TaskChange(parent_attempt_id=key),
        )
        repository = (await tasks.catalog.worktree(attempt)).repository
        await tasks.removal.remove_attempt(key)
        await gone(tasks, world, attempt)
        assert attempt.branch in world.branches()
        (kept,) = await backup.backups(repository, attempt.branch)
        assert await repository.git.text("show", f"{kept.ref}:late") == "y"
        assert (await tasks.catalog.task(child.task_id)).parent_attempt_id is None
        assert await tasks.turns.draft(key) is None
        with pytest.raises(Unknown):
            await tasks.removal.remove_attempt(key)

    world.run(scenario)


def test_a_project_is_forgotten_with_all_that_belongs_to_it(world, scripted):
    async def scenario(tasks):
        first = await worked(tasks, world, scripted({"say": "x"}))
        second = await worked(tasks, world, scripted({"say": "y"}))
        (made,) = await tasks.catalog.projects()
        await tasks.library.templates.add(template_name="t", title="T", project_id=made.project_id)
        await tasks.catalog.change_task(second.task_id, TaskChange(depends_on=(first.task_id,)))
        await tasks.work.merge(second.attempt_id)
        await tasks.removal.remove_task(first.task_id)
        await gone(tasks, world, first)
        assert (await tasks.catalog.task(second.task_id)).depends_on == ()
        with pytest.raises(Unknown):
            await tasks.removal.remove_task(first.task_id)
        await tasks.removal.remove_project(made.project_id)
        await gone(tasks, world, second)
        assert await tasks.catalog.projects() == []
        assert await tasks.library.templates.all() == []
        assert (world.repository / "a.txt").exists()

    world.run(scenario)


def test_nothing_at_work_is_removed(world, scripted):
    async def scenario(tasks):
        idle = await worked(tasks, world, scripted({"say": "x"}))
        busy = (await started(tasks, world, scripted(WAIT))).attempt
        (made,) = await tasks.catalog.projects()
        for refused in (
            tasks.removal.remove_attempt(busy.attempt_id),
            tasks.removal.remove_task(busy.task_id),
            tasks.removal.remove_project(made.project_id),
            tasks.work.remove_worktree(busy.attempt_id),
        ):
            with pytest.raises(Conflict, match="at work"):
                await refused
        assert Path(idle.worktree).exists()
        release(busy)
        await tasks.turns.settled(busy.attempt_id)
        assert ends(await tasks.progress.state(busy))["agent-1"] == "succeeded"

    world.run(scenario)


def test_what_cannot_be_backed_up_is_not_removed(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"say": "x"}))
        subprocess.run(["git", "init", "-q", f"{attempt.worktree}/inner"], check=True)
        with pytest.raises(WorktreeDirty, match="inner"):
            await tasks.removal.remove_attempt(attempt.attempt_id)
        assert await tasks.catalog.attempts() == [attempt]

    world.run(scenario)


def test_what_a_crash_has_half_removed_is_removed_by_the_next(world, scripted, monkeypatch):
    async def first(tasks):
        attempt = await worked(tasks, world, scripted({"say": "x"}))
        with monkeypatch.context() as patch:

            async def killed(*_):
                raise OSError("killed")

            patch.setattr(Removal, "finish", killed)
            with pytest.raises(OSError, match="killed"):
                await tasks.removal.remove_attempt(attempt.attempt_id)
        assert await tasks.catalog.attempts() == []
        assert (await tasks.catalog.attempt(attempt.attempt_id)).state == "removing"
        return attempt

    attempt = world.run(first)

    async def second(tasks):
        await gone(tasks, world, attempt)

    world.run(second)
