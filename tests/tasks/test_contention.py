"""Several who want the same at once, or of whom one has died elsewhere."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from helping import WAIT, release, started, worked
from msgspec.structs import replace

from stoker.journal.base import JournalError, RunBusy
from stoker.journal.open import open_journal
from stoker.tasks import schedule
from stoker.tasks.catalog import ProjectChange, TaskChange
from stoker.tasks.errors import Conflict, Unknown
from stoker.tasks.model import Project, Task
from stoker.tasks.store import PROJECTS, TASKS
from stoker.workspace import creation

WHEN = {"created_at": 1.0, "updated_at": 1.0}


def test_changes_of_the_same_records_in_another_order_do_not_block_each_other(postgres_url):
    first, second = (Task(task_id=key, project_id="p", title="T", **WHEN) for key in "ab")

    async def main():
        async with AsyncExitStack() as stack:
            ours, theirs = [await open_journal(postgres_url) for _ in range(2)]
            stack.push_async_callback(ours.close)
            stack.push_async_callback(theirs.close)
            async with ours.transaction() as session:
                project = Project(project_id="p", name="P", repository="/r", **WHEN)
                await PROJECTS.add(session, project)
                for task in (first, second):
                    await TASKS.add(session, task)
            async with asyncio.timeout(30), ours.transaction() as mine:
                await TASKS.put(mine, replace(first, title="mine"))
                async with theirs.transaction() as other:
                    assert await TASKS.lock(other, "b") == second
                    waiting = asyncio.create_task(TASKS.put(mine, replace(second, title="mine")))
                    assert await TASKS.put(other, replace(second, title="theirs"))
                assert await waiting
            async with ours.snapshot() as session:
                assert [task.title for task in await TASKS.find(session)] == ["mine", "mine"]

    asyncio.run(main())


def test_the_limit_holds_on_postgresql(world, scripted, postgres_url):
    world.journal = postgres_url

    async def scenario(tasks):
        made = await tasks.catalog.project_of(str(world.repository))
        await tasks.catalog.change_project(made.project_id, ProjectChange(wip_limit=2))
        begun = await asyncio.gather(
            *(started(tasks, world, scripted(WAIT)) for _ in range(6)), return_exceptions=True
        )
        refused = [one for one in begun if isinstance(one, Conflict)]
        assert len(refused) == 4
        assert len(await tasks.catalog.tasks(made.project_id)) == 2
        for one in begun:
            if one not in refused:
                release(one.attempt)
                await tasks.turns.settled(one.attempt.attempt_id)

    world.run(scenario)


def test_a_task_is_not_removed_while_an_attempt_at_it_is_begun(world, scripted, monkeypatch):
    making, go = asyncio.Event(), asyncio.Event()
    create = creation.create

    async def slowly(*args, **options):
        making.set()
        await go.wait()
        return await create(*args, **options)

    async def scenario(tasks):
        before = await worked(tasks, world, scripted({"say": "x"}))
        monkeypatch.setattr(creation, "create", slowly)
        starting = asyncio.create_task(tasks.starter.start(before.task_id, executor="SCRIPTED"))
        await making.wait()
        blocked, lock = asyncio.Event(), tasks.turns.lock

        def watched(attempt_id):
            if lock(attempt_id).locked():
                blocked.set()
            return lock(attempt_id)

        monkeypatch.setattr(tasks.turns, "lock", watched)
        removing = asyncio.create_task(tasks.removal.remove_task(before.task_id))
        until = {removing, asyncio.create_task(blocked.wait())}
        await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
        go.set()
        attempt = (await starting).attempt
        await asyncio.wait({removing})
        await tasks.turns.settled(attempt.attempt_id)
        # The removal came too late, or found the turn over: all of it is there, or nothing.
        if isinstance(removing.exception(), Conflict):
            assert await tasks.catalog.attempt(attempt.attempt_id)
        else:
            assert removing.exception() is None
            with pytest.raises(Unknown):
                await tasks.catalog.attempt(attempt.attempt_id)
            assert world.worktrees() == []

    world.run(scenario)


def test_the_schedule_goes_on_when_the_journal_has_failed(world, scripted, monkeypatch):
    monkeypatch.setattr(schedule, "_AGAIN_SEC", 0)

    class Failing:
        def __init__(self, feed):
            self.feed, self.failed = feed, False

        async def follow(self):
            if not self.failed:
                self.failed = True
                raise JournalError("the database went away")
            async for changes in self.feed.follow():
                yield changes

    async def scenario(tasks):
        made = await tasks.catalog.project_of(str(world.repository))
        tasks.schedule._feed = Failing(tasks.feed)
        task = await tasks.catalog.create_task(
            made.project_id, scripted({"say": "x"}), None, TaskChange(agent="SCRIPTED")
        )
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            scheduling = group.create_task(tasks.schedule.run())
            async for _ in tasks.feed.follow():
                if (await tasks.catalog.task(task.task_id)).status == "inreview":
                    break
            scheduling.cancel()

    world.run(scenario)


def test_what_a_dead_host_has_leased_is_taken_up_when_that_is_over(world, scripted, postgres_url):
    import asyncpg

    world.journal = postgres_url
    begun = []

    async def change(sql):
        connection = await asyncpg.connect(postgres_url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async def first(tasks):
        begun.append((await started(tasks, world, scripted(WAIT))).attempt)
        begun.append(await change("SELECT engine FROM runs"))

    async def second(tasks):
        (attempt, _) = begun
        with pytest.raises(RunBusy):
            await tasks.engine.resume(attempt.run_id)
        release(attempt)
        async with asyncio.timeout(20):
            async for _ in tasks.feed.follow():
                if (await tasks.catalog.task(attempt.task_id)).status == "inreview":
                    break
        assert not await tasks.turns.at_work(attempt)

    world.run(first)
    elsewhere = "jsonb_set($json${}$json$::jsonb, '{{host}}', '\"elsewhere\"')::text"
    soon = "extract(epoch FROM clock_timestamp()) + 3"
    asyncio.run(
        change(f"UPDATE runs SET engine = {elsewhere.format(begun[1])}, lease_expires_at = {soon}")
    )
    world.run(second)
