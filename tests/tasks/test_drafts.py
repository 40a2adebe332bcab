"""Follow-ups that are written down: changed, queued, sent once."""

import asyncio
from pathlib import Path

import pytest
from helping import PNG, WAIT, ends, release, started, told, worked
from test_store import ATTEMPT, PROJECT, TASK

from stoker.tasks.changes import TagChange
from stoker.tasks.drafts import Drafts
from stoker.tasks.errors import Conflict, Invalid, Unknown
from stoker.tasks.library import Library
from stoker.tasks.store import ATTEMPTS, PROJECTS, TASKS


def test_a_draft_is_changed_by_who_has_seen_it_last(world, scripted):
    async def scenario(tasks):
        key = (await worked(tasks, world, scripted({"say": "x"}))).attempt_id
        turns = tasks.turns
        first = await turns.save_draft(key, "follow_up", prompt="a", variant="APPROVALS")
        assert (first.version, first.queued, first.variant) == (1, False, "APPROVALS")
        second = await turns.save_draft(key, "follow_up", prompt="b", expected_version=1)
        assert (second.prompt, second.variant, second.version) == ("b", "APPROVALS", 2)
        with pytest.raises(Conflict, match="version 2, not 1"):
            await turns.save_draft(key, "follow_up", prompt="c", expected_version=1)
        assert (await turns.save_draft(key, "follow_up", variant=None)).variant is None
        assert (await turns.draft(key)).prompt == "b"
        with pytest.raises(Conflict, match="not queued"):
            await turns.queue_draft(key, False, expected_queued=True)
        assert await turns.remove_draft(key)
        assert not await turns.remove_draft(key)
        with pytest.raises(Invalid, match="prompt"):
            await turns.queue_draft(key, True)
        with pytest.raises(Unknown, match="image"):
            await turns.save_draft(key, "follow_up", images=["none"])
        with pytest.raises(Unknown, match="turn"):
            await turns.save_draft(key, "retry", prompt="x", retry_turn=2)
        with pytest.raises(Unknown, match="attempt"):
            await turns.save_draft("none", "follow_up", prompt="x")
        retry = await turns.save_draft(key, "retry", prompt="x", retry_turn=1)
        assert (retry.retry_turn, (await turns.draft(key, "retry")).prompt) == (1, "x")
        assert await turns.draft(key) is None

    world.run(scenario)


def test_an_idle_agent_is_sent_what_is_queued_at_once(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"say": "x"}))
        key = attempt.attempt_id
        image = await tasks.library.images.add(PNG, "a.png", "image/png")
        prompt = scripted({"edit": "b", "content": "2"})
        await tasks.turns.save_draft(key, "follow_up", prompt=prompt, images=[image.image_id])
        sent = await tasks.turns.queue_draft(key, True, expected_version=1, expected_queued=False)
        assert sent.queued
        assert await tasks.turns.draft(key) is None
        assert tasks.turns.busy(key)
        await tasks.turns.settled(key)
        (seen,) = (await told(tasks, key, 2)).images
        assert Path(seen).read_bytes() == PNG
        assert {change.path for change in await tasks.work.changes(attempt)} == {"b"}

    world.run(scenario)


def test_what_is_queued_can_be_edited_and_taken_back(world, scripted):
    async def scenario(tasks):
        begun = await started(tasks, world, scripted(WAIT))
        key = begun.attempt.attempt_id
        assert await tasks.turns.follow_up(key, "first") is False
        assert await tasks.turns.follow_up(key, "second", variant="APPROVALS") is False
        draft = await tasks.turns.draft(key)
        assert (draft.prompt, draft.variant) == ("first\n\nsecond", "APPROVALS")
        edited = await tasks.turns.save_draft(key, "follow_up", prompt="third")
        assert edited.queued
        assert not (await tasks.turns.save_draft(key, "follow_up", prompt=" ")).queued
        await tasks.turns.save_draft(key, "follow_up", prompt="fourth")
        assert (await tasks.turns.queue_draft(key, True)).queued
        assert not (await tasks.turns.queue_draft(key, False, expected_queued=True)).queued
        release(begun.attempt)
        await tasks.turns.settled(key)
        assert "agent-2" not in ends(await tasks.progress.state(begun.attempt))
        assert (await tasks.turns.draft(key)).prompt == "fourth"

    world.run(scenario)


def test_a_crash_before_a_draft_is_forgotten_does_not_send_it_twice(world, scripted, monkeypatch):
    async def first(tasks):
        attempt = await worked(tasks, world, scripted({"say": "x"}))
        key = attempt.attempt_id
        await tasks.turns.save_draft(key, "follow_up", prompt=scripted({"say": "y"}))
        with monkeypatch.context() as patch:

            async def killed(*_):
                raise asyncio.CancelledError

            patch.setattr(Drafts, "remove", killed)
            with pytest.raises(asyncio.CancelledError):
                await tasks.turns.queue_draft(key, True)
        assert (await tasks.turns.draft(key)).queued
        return attempt

    attempt = world.run(first)

    async def second(tasks):
        await tasks.turns.settled(attempt.attempt_id)
        assert await tasks.turns.draft(attempt.attempt_id) is None
        assert list(ends(await tasks.progress.state(attempt))) == [
            *("agent-1", "checkpoint-1", "agent-2", "checkpoint-2"),
        ]

    world.run(second)


def test_what_cannot_be_sent_stays_written_down(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"say": "x"}))
        key = attempt.attempt_id
        image = await tasks.library.images.add(PNG, "a.png")
        await tasks.turns.save_draft(key, "follow_up", prompt="go", images=[image.image_id])
        await tasks.library.images.remove(image.image_id)
        with pytest.raises(Unknown, match="image"):
            await tasks.turns.queue_draft(key, True)
        draft = await tasks.turns.draft(key)
        assert (draft.prompt, draft.queued, tasks.turns.busy(key)) == ("go", False, False)

    world.run(scenario)


def test_of_many_who_change_a_draft_at_once_one_does(within, tmp_path):
    async def scenario(journal):
        async with journal.transaction() as session:
            await PROJECTS.add(session, PROJECT)
            await TASKS.add(session, TASK)
            await ATTEMPTS.add(session, ATTEMPT)
        drafts = Drafts(journal)
        for version in (0, 1):
            tried = await asyncio.gather(
                *(
                    drafts.save("a", "follow_up", prompt=str(n), expected_version=version)
                    for n in range(8)
                ),
                return_exceptions=True,
            )
            (made,) = [one for one in tried if not isinstance(one, Conflict)]
            assert made.version == version + 1
            assert await drafts.get("a") == made
        await drafts.save("a", "follow_up", queued=True)
        await drafts.unqueue("a")
        assert (await drafts.get("a")).queued is False
        assert await drafts.remove("a")
        library = Library(journal, tmp_path)
        tag = await library.tags.add(tag_name="t", content="x")
        with pytest.raises(Conflict):
            await library.tags.add(tag_name="t", content="y")
        assert (
            await library.tags.change(tag.tag_id, TagChange(content="z"))
            in await library.tags.all()
        )
        image = await library.images.add(PNG, "a.png")
        assert await library.images.read(image.image_id) == PNG

    within(scenario)
