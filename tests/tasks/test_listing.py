"""Lists of many tasks and attempts, and what agents ask in all of them."""

import asyncio
from contextlib import asynccontextmanager

from helping import ends, started, worked
from msgspec.structs import replace
from test_store import ATTEMPT, PROJECT, TASK

from stoker.agents.inbox import Reply
from stoker.journal.base import NewRun
from stoker.tasks import listing
from stoker.tasks.asking import asked
from stoker.tasks.store import ATTEMPTS, PROJECTS, TASKS


class Idle:
    """An engine that drives nothing."""

    def __init__(self, journal):
        self.journal = journal

    def handle(self, run_id):
        return None


async def many(journal, count):
    for number in range(count):
        plan = b'{"plan_id":"p","steps":[]}'
        await journal.create_run(
            NewRun(
                run_id=f"r{number}",
                plan_id="p",
                plan_version="1",
                plan_description="",
                plan_json=plan,
            )
        )
    async with journal.transaction() as session:
        await PROJECTS.add(session, PROJECT)
        for number in range(count):
            task = replace(TASK, task_id=f"t{number:04}", created_at=float(number // 2))
            await TASKS.add(session, task)
            await ATTEMPTS.add(
                session,
                replace(
                    ATTEMPT,
                    attempt_id=f"a{number:04}",
                    task_id=task.task_id,
                    run_id=f"r{number}",
                    request_key=None,
                    state="ready" if number else "creating",
                    created_at=float(number // 2),
                ),
            )


def test_pages_hold_all_once_and_in_order(within):
    async def scenario(journal):
        await many(journal, 25)
        engine = Idle(journal)
        seen, before = [], None
        while page := await listing.attempts(engine, limit=7, before=before, project_id="p"):
            seen += [one.attempt.attempt_id for one in page]
            before = (page[-1].attempt.created_at, page[-1].attempt.attempt_id)
            assert all(one.status == "pending" for one in page)
        assert seen == [f"a{number:04}" for number in range(24, 0, -1)]
        assert await listing.attempts(engine, limit=9, project_id="other") == []
        (one,) = await listing.attempts(engine, limit=9, task_id="t0003")
        assert (one.attempt.attempt_id, one.project_id) == ("a0003", "p")
        assert await listing.attempts(engine, limit=9, active=False) == []
        assert len(await listing.attempts(engine, limit=9, active=True)) == 9
        seen, after = [], None
        while page := await listing.tasks(engine, "p", limit=7, after=after):
            seen += [(task.task_id, len(theirs)) for task, theirs in page]
            after = (page[-1][0].created_at, page[-1][0].task_id)
        assert seen == [("t0000", 0), *((f"t{number:04}", 1) for number in range(1, 25))]

    within(scenario)


def test_a_thousand_are_listed_with_as_many_questions_as_one(within):
    async def scenario(journal):
        await many(journal, 1000)
        engine = Idle(journal)
        assert len(await listing.attempts(engine, limit=1000)) == 999
        assert len(await listing.tasks(engine, "p", limit=1000)) == 1000
        asked_for = []
        snapshot = journal.snapshot

        @asynccontextmanager
        async def counted():
            async with snapshot() as session:

                class Counting:
                    async def fetch(self, sql, *args):
                        asked_for.append(sql)
                        return await session.fetch(sql, *args)

                yield Counting()

        journal.snapshot = counted
        await listing.attempts(engine, limit=1000)
        await listing.tasks(engine, "p", limit=1000)
        assert len(asked_for) == 5

    within(scenario)


def test_what_agents_ask_is_listed_until_it_is_answered(world, scripted):
    async def scenario(tasks):
        prompt = scripted({"run": "touch b", "ask": True}, {"run": "touch c", "ask": True})
        attempt = (await started(tasks, world, prompt, variant="APPROVALS")).attempt
        await worked(tasks, world, scripted({"say": "x"}))
        seen = []
        while len(seen) < 2:
            for one in await asked(tasks):
                if one.approval.id not in seen:
                    seen.append(one.approval.id)
                    assert (one.attempt_id, one.turn) == (attempt.attempt_id, 1)
                    assert one.approval.command == f"touch {'bc'[len(seen) - 1]}"
                    reply = Reply(approval=one.approval.id, allowed=True)
                    await tasks.turns.tell(attempt.attempt_id, 1, reply)
            await asyncio.sleep(0.01)
        await tasks.turns.settled(attempt.attempt_id)
        assert await asked(tasks) == []
        assert ends(await tasks.progress.state(attempt))["agent-1"] == "succeeded"

    world.run(scenario)
