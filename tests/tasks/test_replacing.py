"""A turn in the place of others."""

from pathlib import Path

import pytest
from helping import ends, entries, started, worked

from stoker.agents.stream import AssistantMessage
from stoker.tasks import plan
from stoker.tasks.errors import Invalid, Unknown
from stoker.tasks.following import follow
from stoker.workspace import backup
from stoker.workspace.errors import WorktreeDirty


async def said(tasks, key, turn):
    found = await entries(tasks, key, turn)
    return next(one.text for one in found if isinstance(one, AssistantMessage))


async def paths(tasks, attempt):
    return {change.path for change in await tasks.work.changes(attempt)}


def test_the_first_turn_is_replaced_and_the_work_of_all_is_kept_apart(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"edit": "b", "content": "1"}))
        key = attempt.attempt_id
        await tasks.turns.follow_up(key, scripted({"edit": "c", "content": "2"}))
        await tasks.turns.settled(key)
        await tasks.turns.save_draft(key, "retry", prompt="…", retry_turn=1)
        made = await tasks.turns.replace(key, 1, scripted({"edit": "d", "content": "3"}))
        assert (made.turn, made.deleted_count) == (3, 2)
        assert (made.git_reset_needed, made.git_reset_applied) == (True, True)
        assert made.target_before_oid == attempt.base_commit
        assert await tasks.turns.draft(key, "retry") is None
        await tasks.turns.settled(key)
        assert await paths(tasks, attempt) == {"d"}
        steps = (await tasks.progress.state(attempt)).steps
        assert plan.dropped(steps) == {1, 2}
        sessions = [s.outputs["session_id"] for s in plan.agents(steps).values()]
        assert sessions[0] == sessions[1] != sessions[2]
        kept = await backup.backups(
            await tasks.catalog.repository((await tasks.catalog.projects())[0])
        )
        worktree = await tasks.catalog.worktree(attempt)
        assert await worktree.git.text("show", f"{kept[0].ref}:c") == "2"
        for gone in (1, 2, 4, 0):
            with pytest.raises(Unknown, match="turn"):
                await tasks.turns.replace(key, gone, "x")
        with pytest.raises(Invalid):
            await tasks.turns.replace(key, 3, " ")

    world.run(scenario)


def test_an_agent_remembers_what_was_before_the_turn_that_is_replaced(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"say": "first ${{ x }}"}))
        key = attempt.attempt_id
        await tasks.turns.follow_up(key, scripted({"say": "second"}, {"edit": "b", "content": ""}))
        await tasks.turns.settled(key)
        before = await tasks.turns.replace(key, 2, "What was said?", perform_git_reset=False)
        assert (before.git_reset_needed, before.git_reset_applied) == (True, False)
        await tasks.turns.settled(key)
        answer = await said(tasks, key, 3)
        assert "first ${{ x }}" in answer
        assert "second" not in answer
        assert answer.endswith("What was said?")
        assert await paths(tasks, attempt) == {"b"}
        await tasks.turns.follow_up(key, "And now?")
        await tasks.turns.settled(key)
        assert await said(tasks, key, 4) == "I was asked: And now?"  # in the new conversation

    world.run(scenario)


def test_a_turn_under_way_is_stopped_for_the_one_in_its_place(world, scripted):
    async def scenario(tasks):
        prompt = scripted({"edit": "b", "content": "half"}, {"say": "now"}, {"run": "sleep 300"})
        attempt = (await started(tasks, world, prompt)).attempt
        key = attempt.attempt_id
        async for entry in await follow(tasks, key, 1):
            if getattr(entry.content, "text", "") == "now":
                break
        await tasks.turns.replace(key, 1, scripted({"edit": "c", "content": ""}))
        await tasks.turns.settled(key)
        assert await paths(tasks, attempt) == {"c"}
        state = await tasks.progress.state(attempt)
        assert (state["agent-1"].status, state["agent-2"].status) == ("canceled", "succeeded")

    world.run(scenario)


def test_what_a_person_has_not_committed_is_not_given_up_unasked(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"say": "x"}))
        key, mine = attempt.attempt_id, Path(attempt.worktree, "mine")
        mine.write_text("precious")
        with pytest.raises(WorktreeDirty, match="mine"):
            await tasks.turns.replace(key, 1, scripted({"say": "y"}))
        assert list(ends(await tasks.progress.state(attempt))) == ["agent-1", "checkpoint-1"]
        made = await tasks.turns.replace(key, 1, scripted({"say": "y"}), force_when_dirty=True)
        assert made.git_reset_applied
        assert not mine.exists()
        await tasks.turns.settled(key)
        worktree = await tasks.catalog.worktree(attempt)
        (kept,) = await backup.backups(worktree.repository, attempt.branch)
        assert await worktree.git.text("show", f"{kept.ref}:mine") == "precious"

    world.run(scenario)
