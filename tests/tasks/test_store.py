"""Records on both databases."""

import asyncio
from contextlib import aclosing

import msgspec

from stoker.tasks.feed import Feed
from stoker.tasks.model import (
    Attempt,
    Document,
    Draft,
    Image,
    Merge,
    Project,
    PullRequest,
    Tag,
    Task,
    Template,
)
from stoker.tasks.store import (
    ATTEMPTS,
    DOCUMENTS,
    DRAFTS,
    IMAGES,
    MERGES,
    PROJECTS,
    PULL_REQUESTS,
    TAGS,
    TASKS,
    TEMPLATES,
)

PROJECT = Project(
    project_id="p",
    name="P",
    repository="/r",
    copy_files=(".env", "a'b"),
    created_at=1.5,
    updated_at=2.0,
)
TASK = Task(task_id="t", project_id="p", title="Do 'it' \"now\"\n", created_at=1.0, updated_at=1.0)
ATTEMPT = Attempt(
    attempt_id="a",
    task_id="t",
    run_id="r",
    executor="SCRIPTED",
    branch="b",
    target_branch="main",
    request_key="k",
    created_at=1.0,
    updated_at=1.0,
)
DRAFT = Draft(draft_id="a/follow_up", attempt_id="a", prompt="go on", queued=True, updated_at=3.0)

MERGE = Merge(merge_id="m", attempt_id="a", target_branch="main", merge_commit="c0", created_at=1.0)
PULL_REQUEST = PullRequest(
    pull_request_id="pr",
    attempt_id="a",
    number=7,
    url="https://example.com/7",
    title="T",
    status="open",
    target_branch="main",
    created_at=1.0,
    updated_at=1.0,
)
IMAGE = Image(
    image_id="i",
    original_name="a.png",
    mime_type="image/png",
    size_bytes=3,
    hash="00",
    created_at=1.0,
    updated_at=1.0,
)
TAG = Tag(tag_id="g", tag_name="style", content="be brief", created_at=1.0, updated_at=1.0)
TEMPLATE = Template(
    template_id="e", template_name="bug", title="Fix", created_at=1.0, updated_at=1.0
)


def test_what_is_stored_is_read_back(within):
    async def scenario(journal):
        async with journal.transaction() as session:
            for table, record in (
                (PROJECTS, PROJECT),
                (TASKS, TASK),
                (ATTEMPTS, ATTEMPT),
                (DRAFTS, DRAFT),
            ):
                assert await table.add(session, record)
        async with journal.transaction() as session:
            assert await PROJECTS.get(session, "p") == PROJECT
            assert await TASKS.find(session, order="created_at", project_id="p") == [TASK]
            assert await ATTEMPTS.find(session, request_key="k") == [ATTEMPT]
            assert await DRAFTS.get(session, "a/follow_up") == DRAFT
            assert await DRAFTS.lock(session, "a/follow_up") == DRAFT
            assert await DRAFTS.lock(session, "a/retry") is None
            done = msgspec.structs.replace(TASK, status="done")
            assert await TASKS.put(session, done)
            assert await TASKS.get(session, "t") == done
            assert not await TASKS.put(session, msgspec.structs.replace(TASK, task_id="other"))
            assert await DRAFTS.remove(session, "a/follow_up")
            assert not await DRAFTS.remove(session, "a/follow_up")

    within(scenario)


def test_what_must_be_unique_is_not_stored_twice(within):
    async def scenario(journal):
        async with journal.transaction() as session:
            assert await PROJECTS.add(session, PROJECT)
            assert not await PROJECTS.add(session, msgspec.structs.replace(PROJECT, project_id="q"))
            assert await TASKS.add(session, TASK)
            assert await ATTEMPTS.add(session, ATTEMPT)
            again = msgspec.structs.replace(ATTEMPT, attempt_id="b", run_id="s")
            assert not await ATTEMPTS.add(session, again)
            assert await ATTEMPTS.add(session, msgspec.structs.replace(again, request_key=None))

    within(scenario)


def test_every_change_is_told_once_in_order(within):
    async def scenario(journal):
        feed = Feed(journal)
        async with journal.transaction() as session:
            for table, record in ((PROJECTS, PROJECT), (TASKS, TASK), (ATTEMPTS, ATTEMPT)):
                await table.add(session, record)
            await TASKS.put(session, msgspec.structs.replace(TASK, status="done"))
        async with aclosing(feed.follow()) as changes:
            first = await anext(changes)
            assert [(one.subject, one.key) for one in first] == [
                ("projects", "p"),
                ("attempts", "a"),
                ("tasks", "t"),
            ]
            assert first[-1].sequence == await feed.newest()
            live = asyncio.ensure_future(anext(changes))
            async with journal.transaction() as session:
                await DRAFTS.add(session, DRAFT)
            assert [(one.subject, one.key) for one in await live] == [("drafts", "a/follow_up")]
            async with journal.transaction() as session:
                await DRAFTS.remove(session, "a/follow_up")
            gone = await anext(changes)
            assert [(one.subject, one.key) for one in gone] == [("drafts", "a/follow_up")]
        async with aclosing(feed.follow(first[-1].sequence)) as changes:
            assert await anext(changes) == gone

    within(scenario)


def test_every_column_is_a_field(within):
    async def scenario(journal):
        async with journal.transaction() as session:
            await PROJECTS.add(session, PROJECT)
            await TASKS.add(session, TASK)
            await ATTEMPTS.add(session, ATTEMPT)
            for table, record in (
                (MERGES, MERGE),
                (PULL_REQUESTS, PULL_REQUEST),
                (IMAGES, IMAGE),
                (TAGS, TAG),
                (TEMPLATES, TEMPLATE),
                (DOCUMENTS, Document("config", "{}")),
            ):
                assert await table.add(session, record)
                assert await table.find(session) == [record]

    within(scenario)
