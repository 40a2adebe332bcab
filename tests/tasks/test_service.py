"""Attempts at tasks, with the scripted agent: real processes, real worktrees."""

import asyncio
import fcntl
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from stoker.agents.stream import UserMessage
from stoker.engine.retention import Policy, collect, forget
from stoker.journal.base import RunBusy
from stoker.tasks import starter
from stoker.tasks.catalog import ProjectChange
from stoker.tasks.errors import Conflict, Invalid, Unknown
from stoker.tasks.following import follow
from stoker.tasks.plan import role
from stoker.tasks.store import ATTEMPTS
from stoker.workspace.errors import BranchExists, NotARepository, UnknownBranch


def git(directory, *args):
    subprocess.run(["git", "-C", directory, *args], check=True)


async def project(tasks, world, **more):
    return await tasks.catalog.create_project("P", str(world.repository), ProjectChange(**more))


async def started(tasks, world, prompt, **more):
    made = (await tasks.catalog.projects() or [await project(tasks, world)])[0]
    more = {"executor": "SCRIPTED", **more}
    return await tasks.starter.create_and_start(made.project_id, prompt, **more)


async def _rows(tasks):
    async with tasks.feed._journal.snapshot() as session:
        return await ATTEMPTS.find(session)


def ends(state):
    return {step.step.id: step.status for step in state.steps}


def nothing_left(world):
    assert world.branches() == ["main"]
    assert world.worktrees() == []


def test_an_agent_works_on_a_branch_of_its_own(world, scripted):
    async def scenario(tasks):
        begun = await started(
            tasks, world, scripted({"edit": "b.txt", "content": "two\n"}, {"say": "done"})
        )
        assert begun.task.status == "inprogress"
        key = begun.attempt.attempt_id
        await tasks.turns.settled(key)
        assert ends(await tasks.progress.state(begun.attempt)) == {
            "agent-1": "succeeded",
            "checkpoint-1": "succeeded",
        }
        (change,) = await tasks.work.changes(begun.attempt)
        assert (change.change, change.path, change.new_content) == ("added", "b.txt", "two\n")
        standing = await tasks.work.branch_status(begun.attempt)
        assert (standing.commits_ahead, standing.commits_behind, standing.untracked_count) == (
            1,
            0,
            0,
        )
        assert (await tasks.catalog.task(begun.task.task_id)).status == "inreview"
        assert not (world.repository / "b.txt").exists()
        merged = await tasks.work.merge(key)
        assert merged.changed
        assert (await tasks.catalog.task(begun.task.task_id)).status == "done"
        assert (world.repository / "b.txt").read_text() == "two\n"

    world.run(scenario)


def test_a_branch_that_is_there_is_not_undone(world, monkeypatch):
    """Whose name an attempt gets, by chance."""
    same = "12345678-0000-4000-8000-00000000000"
    ids = (f"{same}{number}" for number in range(2))
    monkeypatch.setattr(starter, "uuid", SimpleNamespace(uuid4=lambda: next(ids)))

    async def scenario(tasks):
        begun = await started(tasks, world, '[{"edit": "b", "content": "mine"}]')
        await tasks.turns.settled(begun.attempt.attempt_id)
        await tasks.work.remove_worktree(begun.attempt.attempt_id)
        with pytest.raises(BranchExists):
            await started(tasks, world, '[{"edit": "b", "content": "mine"}]')
        assert begun.attempt.branch in world.branches()
        assert world.worktrees() == []

    world.run(scenario)


def test_what_cannot_be_started_leaves_nothing(world):
    async def scenario(tasks):
        made = await project(tasks, world)
        for error, more in (
            (UnknownBranch, {"base_branch": "nowhere"}),
            (Invalid, {"executor": "NOBODY"}),
            (Invalid, {"executor": " "}),
        ):
            with pytest.raises(error):
                await tasks.starter.create_and_start(
                    made.project_id, "T", **{"executor": "SCRIPTED", **more}
                )
            nothing_left(world)
            assert await tasks.catalog.tasks(made.project_id) == []
        with pytest.raises(Invalid, match="title"):
            await tasks.starter.create_and_start(made.project_id, " ", executor="SCRIPTED")
        with pytest.raises(Unknown):
            await tasks.starter.create_and_start("none", "T", executor="SCRIPTED")
        with pytest.raises(NotARepository):
            await tasks.catalog.create_project("Q", str(world.state))
        with pytest.raises(Conflict, match="already"):
            await project(tasks, world)

    world.run(scenario)
    assert not list((world.state / "runs").glob("*")) if (world.state / "runs").exists() else True


def test_a_request_that_is_repeated_starts_nothing_twice(world, scripted):
    async def scenario(tasks):
        first = await started(tasks, world, scripted({"say": "x"}), request_key="k")
        again = await started(tasks, world, "other", request_key="k")
        assert again.attempt == first.attempt
        assert again.repeated
        assert len(await tasks.catalog.tasks(first.task.project_id)) == 1

    world.run(scenario)


def test_follow_ups_wait_for_the_turn_under_way(world, scripted):
    async def scenario(tasks):
        wait = {"run": "until [ -e go ]; do sleep 0.01; done; rm go"}
        begun = await started(tasks, world, scripted(wait, {"edit": "b", "content": "1"}))
        key = begun.attempt.attempt_id
        assert await tasks.turns.follow_up(key, scripted({"edit": "c", "content": "2"})) is False
        assert (await tasks.turns.draft(key)).queued
        with pytest.raises(Conflict, match="at work"):
            await tasks.work.merge(key)
        worktree = begun.attempt.worktree
        open(f"{worktree}/go", "w").close()
        await tasks.turns.settled(key)
        assert await tasks.turns.draft(key) is None
        state = await tasks.progress.state(begun.attempt)
        assert set(ends(state).values()) == {"succeeded"}
        assert [role(step.step.id) for step in state.steps] == [
            ("agent", 1),
            ("checkpoint", 1),
            ("agent", 2),
            ("checkpoint", 2),
        ]
        sessions = {s.outputs["session_id"] for s in state.steps if s.step.id.startswith("agent")}
        assert len(sessions) == 1
        assert await tasks.turns.follow_up(key, scripted({"edit": "d", "content": "3"})) is True
        await tasks.turns.settled(key)
        assert {change.path for change in await tasks.work.changes(begun.attempt)} == {
            "b",
            "c",
            "d",
        }

    world.run(scenario)


def test_stopping_ends_the_agent_and_keeps_its_work(world, scripted):
    async def scenario(tasks):
        prompt = scripted(
            *({"edit": "b", "content": "half"}, {"run": "touch up"}),
            *({"say": "now"}, {"run": "sleep 300"}),
        )
        begun = await started(tasks, world, prompt)
        key = begun.attempt.attempt_id
        async for entry in await follow(tasks, key, 1):
            if getattr(entry.content, "text", "") == "now":
                break
        assert await tasks.turns.follow_up(key, "more") is False
        await tasks.turns.stop(key)
        assert ends(await tasks.progress.state(begun.attempt))["agent-1"] == "canceled"
        assert {change.path for change in await tasks.work.changes(begun.attempt)} == {"b", "up"}
        assert (await tasks.work.branch_status(begun.attempt)).commits_ahead == 1
        assert (await tasks.turns.draft(key)).queued is False
        assert (await tasks.catalog.task(begun.task.task_id)).status == "inreview"
        await tasks.turns.stop(key)
        assert await tasks.turns.follow_up(key, scripted({"say": "again"})) is True
        await tasks.turns.settled(key)
        assert ends(await tasks.progress.state(begun.attempt))["agent-2"] == "succeeded"

    world.run(scenario)


def test_stopping_what_ends_at_that_moment_is_no_error(world, scripted, monkeypatch):
    async def work(tasks):
        begun = await started(tasks, world, scripted({"say": "done"}))
        await tasks.turns.settled(begun.attempt.attempt_id)
        return begun.attempt

    attempt = world.run(work)

    async def stop(tasks):
        async def at_work(_):
            return True  # as it was, just before

        monkeypatch.setattr(tasks.turns, "at_work", at_work)
        await tasks.turns.stop(attempt.attempt_id)
        assert ends(await tasks.progress.state(attempt))["agent-1"] == "succeeded"

    world.run(stop)


def test_scripts_run_before_and_after_the_agent(world, scripted):
    (world.repository / ".env").write_text("secret")
    (world.repository / ".gitignore").write_text(".env\nsetup\n")
    git(world.repository, "add", ".gitignore")
    git(world.repository, "commit", "-q", "-m", "ignore")

    async def scenario(tasks):
        await project(
            tasks,
            world,
            setup_script="cat .env > setup",
            cleanup_script="echo ${HOME:+clean} > c",
            copy_files=(".env",),
        )
        begun = await started(tasks, world, scripted({"run": "cp setup seen"}))
        key = begun.attempt.attempt_id
        await tasks.turns.settled(key)
        assert list(ends(await tasks.progress.state(begun.attempt)).items()) == [
            ("setup", "succeeded"),
            ("agent-1", "succeeded"),
            ("checkpoint-1", "succeeded"),
            ("cleanup-1", "succeeded"),
        ]
        contents = {
            change.path: change.new_content for change in await tasks.work.changes(begun.attempt)
        }
        assert contents == {"seen": "secret", "c": "clean\n"}

    world.run(scenario)


def test_an_agent_that_fails_leaves_what_it_did(world, scripted):
    async def scenario(tasks):
        begun = await started(
            tasks, world, scripted({"edit": "b", "content": "x"}, {"fail": "tired"})
        )
        key = begun.attempt.attempt_id
        await tasks.turns.settled(key)
        state = await tasks.progress.state(begun.attempt)
        assert ends(state) == {"agent-1": "failed", "checkpoint-1": "succeeded"}
        assert "tired" in state["agent-1"].reason
        assert state.status == "failed"
        assert (await tasks.work.branch_status(begun.attempt)).commits_ahead == 1
        assert await tasks.turns.follow_up(key, scripted({"say": "better"}))
        await tasks.turns.settled(key)
        assert ends(await tasks.progress.state(begun.attempt))["agent-2"] == "succeeded"

    world.run(scenario)


def test_a_worktree_that_was_removed_comes_back_for_a_follow_up(world, scripted):
    async def scenario(tasks):
        begun = await started(tasks, world, scripted({"edit": "b", "content": "x"}))
        key = begun.attempt.attempt_id
        await tasks.turns.settled(key)
        await tasks.work.remove_worktree(key)
        assert world.worktrees() == []
        assert begun.attempt.branch in world.branches()
        assert await tasks.turns.follow_up(key, scripted({"run": "cp b c"}))
        await tasks.turns.settled(key)
        assert {change.path for change in await tasks.work.changes(begun.attempt)} == {"b", "c"}

    world.run(scenario)


def test_an_agent_waits_for_a_follow_up_but_not_without_its_worktree_or_server(world, scripted):
    pid = scripted({"run": "cut -d' ' -f4,22 /proc/$PPID/stat >> pids"})

    async def scenario(tasks):
        begun = await started(tasks, world, pid)
        key = begun.attempt.attempt_id
        await tasks.turns.settled(key)
        for _ in range(2):
            assert await tasks.turns.follow_up(key, pid)
            await tasks.turns.settled(key)
        keeper = tasks.progress.directory(begun.attempt) / "agents" / "agent-1.1" / "keeper"
        pids = (Path(begun.attempt.worktree) / "pids").read_text().splitlines()
        assert len(pids) == 3
        assert len(set(pids)) == 1
        return key, keeper

    async def removed(tasks):
        key, keeper = await scenario(tasks)
        assert (keeper / "stdin.idle").exists()
        await tasks.work.remove_worktree(key)
        assert (keeper / "stdin.end").exists()

    _, keeper = world.run(scenario)
    assert (keeper / "stdin.end").exists()
    world.run(removed)


def test_many_start_at_once(world, scripted):
    async def scenario(tasks):
        await project(tasks, world)
        prompt = scripted({"edit": "b", "content": "x"})
        begun = await asyncio.gather(*(started(tasks, world, prompt) for _ in range(20)))
        assert len({one.attempt.worktree for one in begun}) == 20
        for one in begun:
            await tasks.turns.settled(one.attempt.attempt_id)
            assert set(ends(await tasks.progress.state(one.attempt)).values()) == {"succeeded"}

    world.run(scenario)


def test_what_an_engine_left_is_gone_on_with(world, scripted):
    async def first(tasks):
        script = scripted(
            {"run": "until [ -e go ]; do sleep 0.01; done; rm go"}, {"edit": "b", "content": "x"}
        )
        begun = await started(tasks, world, script)
        assert (
            await tasks.turns.follow_up(begun.attempt.attempt_id, scripted({"run": "cp b c"}))
            is False
        )
        return begun.attempt

    attempt = world.run(first)
    open(f"{attempt.worktree}/go", "w").close()

    async def second(tasks):
        await tasks.turns.settled(attempt.attempt_id)
        state = await tasks.progress.state(attempt)
        assert set(ends(state).values()) == {"succeeded"}
        assert state["agent-1"].number == 1  # the very same process
        assert {change.path for change in await tasks.work.changes(attempt)} == {"b", "c"}

    world.run(second)


def test_what_was_not_wholly_started_is_cleared_away(world, scripted):
    async def first(tasks):
        begun = await started(tasks, world, scripted({"say": "x"}))
        await tasks.turns.settled(begun.attempt.attempt_id)
        # As a crash would leave it just before the end of `start`.
        async with tasks.feed._journal.transaction() as session:
            await ATTEMPTS.put(session, replace(begun.attempt, state="creating"))

    world.run(first)
    assert len(world.worktrees()) == 1

    async def meanwhile(tasks):
        assert [one.state for one in await _rows(tasks)] == ["creating"]

    with open(world.state / "creating.lock", "w") as lock:  # by a process that is just at it
        fcntl.flock(lock, fcntl.LOCK_SH)
        world.run(meanwhile)
    assert len(world.worktrees()) == 1

    # One that was killed leaves it for a moment to a process that it was just making.
    with open(world.state / "creating.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        heir = subprocess.Popen(["sleep", "0.1"], pass_fds=[lock.fileno()])

    async def second(tasks):
        (made,) = await tasks.catalog.projects()
        assert await tasks.catalog.tasks(made.project_id) == []
        assert await tasks.catalog.attempts() == []

    world.run(second)
    heir.wait()
    nothing_left(world)
    assert list((world.state / "runs").iterdir()) == []


def test_retention_leaves_attempts_alone(world, scripted):
    async def scenario(tasks):
        begun = await started(tasks, world, scripted({"say": "x"}))
        await tasks.turns.settled(begun.attempt.attempt_id)
        run_id = begun.attempt.run_id
        gone = await collect(tasks.feed._journal, world.state, Policy(), now=time.time() + 1e6)
        assert gone.runs == []
        with pytest.raises(RunBusy, match="attempt"):
            await forget(tasks.feed._journal, world.state, run_id)
        assert (await tasks.progress.state(begun.attempt)).status == "succeeded"

    world.run(scenario)


def test_agents_and_scripts_of_a_part_of_a_repository_work_there(world, scripted):
    (world.repository / "web" / "app").mkdir(parents=True)
    (world.repository / "web" / "app" / "page").write_text("1\n")
    (world.repository / "out").symlink_to(world.state)
    git(world.repository, "add", ".")
    git(world.repository, "commit", "-q", "-m", "web")

    async def scenario(tasks):
        made = await project(
            tasks, world, directory="web/app", setup_script="pwd > s", cleanup_script="pwd > c"
        )
        prompt = scripted({"run": "pwd > agent; echo 2 >> ../../a.txt; git add -A; git status"})
        begun = await started(tasks, world, prompt)
        await tasks.turns.settled(begun.attempt.attempt_id)
        assert set(ends(await tasks.progress.state(begun.attempt)).values()) == {"succeeded"}
        await tasks.turns.follow_up(begun.attempt.attempt_id, scripted({"run": "pwd > again"}))
        await tasks.turns.settled(begun.attempt.attempt_id)
        changes = {one.path: one.new_content for one in await tasks.work.changes(begun.attempt)}
        assert changes.pop("a.txt") == "one\n2\n"
        assert changes == {
            f"web/app/{name}": f"{begun.attempt.worktree}/web/app\n"
            for name in ("s", "agent", "c", "again")
        }
        for wrong in ("nowhere", "out", "a.txt"):
            await tasks.catalog.change_project(made.project_id, ProjectChange(directory=wrong))
            with pytest.raises(Invalid, match="directory"):
                await started(tasks, world, "T")
        for wrong in ("/tmp", "../x"):
            with pytest.raises(Invalid, match="directory"):
                await tasks.catalog.change_project(made.project_id, ProjectChange(directory=wrong))
        assert len(world.worktrees()) == 1

    world.run(scenario)


def test_what_people_write_reaches_the_agent_as_it_is(world):
    text = "Use ${HOME}, $${PID}, ${{ inputs.x }}, $${{ y }} and `${name}`"

    async def scenario(tasks):
        begun = await started(tasks, world, text, description=f"more: {text}")
        key = begun.attempt.attempt_id
        await tasks.turns.settled(key)
        assert await tasks.turns.follow_up(key, f"again: {text}") is True
        await tasks.turns.settled(key)
        told = []
        for turn in (1, 2):
            async for entry in await follow(tasks, key, turn):
                if isinstance(entry.content, UserMessage):
                    told.append(entry.content.text)
        assert told == [f"{text}\n\nmore: {text}", f"again: {text}"]
        state = await tasks.progress.state(begun.attempt)
        assert state.plan.description == text
        assert set(ends(state).values()) == {"succeeded"}

    world.run(scenario)


def test_an_attempt_that_nobody_sees_to_is_left_alone(world, scripted):
    """Its run goes on in another process, or nowhere: no second agent, no merge."""

    async def scenario(tasks):
        wait = {"run": "until [ -e go ]; do sleep 0.01; done; rm go"}
        begun = await started(tasks, world, scripted(wait))
        key = begun.attempt.attempt_id
        watching = tasks.turns._watched.pop(key)  # as if this process had not begun it
        assert await tasks.turns.follow_up(key, scripted({"say": "x"})) is False
        for changed in (tasks.work.merge, tasks.removal.remove_attempt):
            with pytest.raises(Conflict, match="at work"):
                await changed(key)
        tasks.turns._watched[key] = watching
        open(f"{begun.attempt.worktree}/go", "w").close()
        await tasks.turns.settled(key)
        assert ends(await tasks.progress.state(begun.attempt))["agent-2"] == "succeeded"

    world.run(scenario)
