"""Records on both databases."""

import asyncio

import msgspec
import pytest

from stoker.journal.open import open_journal
from stoker.tasks.model import Attempt, FollowUp, Project, Task
from stoker.tasks.store import ATTEMPTS, FOLLOW_UPS, PROJECTS, TASKS

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
FOLLOW_UP = FollowUp(attempt_id="a", prompt="go on", queued=True, updated_at=3.0)


@pytest.fixture(params=["sqlite", "postgres"])
def within(request, tmp_path):
    if request.param == "postgres":
        location = request.getfixturevalue("postgres_url")
    else:
        location = str(tmp_path / "journal.db")

    def run(scenario):
        async def main():
            journal = await open_journal(location)
            try:
                await scenario(journal)
            finally:
                await journal.close()

        asyncio.run(main())

    return run


def test_what_is_stored_is_read_back(within):
    async def scenario(journal):
        async with journal.transaction() as session:
            for table, record in (
                (PROJECTS, PROJECT),
                (TASKS, TASK),
                (ATTEMPTS, ATTEMPT),
                (FOLLOW_UPS, FOLLOW_UP),
            ):
                assert await table.add(session, record)
        async with journal.transaction() as session:
            assert await PROJECTS.get(session, "p") == PROJECT
            assert await TASKS.find(session, order="created_at", project_id="p") == [TASK]
            assert await ATTEMPTS.find(session, request_key="k") == [ATTEMPT]
            assert await FOLLOW_UPS.get(session, "a") == FOLLOW_UP
            done = msgspec.structs.replace(TASK, status="done")
            assert await TASKS.put(session, done)
            assert await TASKS.get(session, "t") == done
            assert not await TASKS.put(session, msgspec.structs.replace(TASK, task_id="other"))
            assert await FOLLOW_UPS.remove(session, "a")
            assert not await FOLLOW_UPS.remove(session, "a")

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
