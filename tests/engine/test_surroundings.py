"""The engine over PostgreSQL, bounded logs, and several runs at once."""

import asyncio
import os
from collections import Counter

from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.open import open_journal
from stoker.plan.model import Globals, Plan, Step
from stoker.steps.registry import kinds


def test_a_run_over_postgresql(postgres_url, tmp_path):
    plan = Plan(
        plan_id="pg",
        steps=(
            Step(id="a", run="echo n=1 > $STOKER_OUTPUT", provides=("n",)),
            Step(id="b", run="test $STOKER_INPUT_N = 1", consumes=("n",), locks=("l",)),
            Step(id="c", command="true", approval=True, depends_on=("b",)),
        ),
    )

    async def main():
        journal = await open_journal(postgres_url)
        try:
            async with Engine(journal, tmp_path, kinds()) as engine:
                run = await engine.start(plan, options=RunOptions(cwd=str(tmp_path)))
                assert (await run.wait()).status == "waiting"
            async with Engine(journal, tmp_path, kinds()) as engine:
                run = await engine.resume(run.run_id, park=False)
                await run.approve("c")
                assert (await run.wait()).status == "succeeded"
            assert (await journal.run(run.run_id)).status == "succeeded"
            assert await journal.check() == []
        finally:
            await journal.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_step_that_prints_without_end_does_not_fill_the_disk(execute, tmp_path):
    run = execute(
        [
            {
                "id": "loud",
                "run": f"echo first; yes | head -c 60000000; echo last; cat {tmp_path}/gate",
                "timeout_sec": 60,
            }
        ],
        lambda handle: _release_when_bounded(handle, tmp_path),
        engine={"max_log_bytes": 4 * 1024 * 1024},
    )
    assert run.outcome.status == "succeeded"
    row = run.attempts[0]
    with open(row.stdout_path, "rb") as log:
        stat = os.fstat(log.fileno())
        assert stat.st_size > 60_000_000
        assert stat.st_blocks * 512 < 8 * 1024 * 1024
        assert log.readline() == b"first\n"
        log.seek(-100, 2)
        assert b"last\n" in log.read()


async def _release_when_bounded(handle, tmp_path):
    os.mkfifo(tmp_path / "gate")
    with await asyncio.to_thread(open, tmp_path / "gate", "w") as gate:
        gate.write("go\n")


def test_many_runs_in_one_engine_keep_to_its_width_and_to_their_own(drive, options, tmp_path):
    # The first three wait for each other: less than what is allowed would be seen, too.
    work = 'echo "+ $STOKER_RUN_ID" >> log; until [ $(grep -c + log) -ge 3 ]; do sleep 0.01; done; '
    work += 'sleep 0.05; echo "- $STOKER_RUN_ID" >> log'
    steps = tuple(Step(id=f"s{number}", run=work) for number in range(4))
    plan = Plan(plan_id="many", steps=steps, globals=Globals(max_concurrency=2))

    async def scenario(engine, journal):
        runs = [await engine.start(plan, options=options) for _ in range(10)]
        outcomes = await asyncio.gather(*(run.wait() for run in runs))
        assert {outcome.status for outcome in outcomes} == {"succeeded"}
        assert await journal.check() == []

    drive(scenario, max_concurrency=3)
    busy, most, each = Counter(), 0, 0
    for line in (tmp_path / "log").read_text().splitlines():
        sign, run = line.split()
        busy[run] += 1 if sign == "+" else -1
        most, each = max(most, busy.total()), max(each, *busy.values())
    assert (most, each) == (3, 2)


def test_what_happens_in_one_turn_is_one_transaction(drive, options):
    steps = tuple(Step(id=f"s{number}", command="true") for number in range(6))
    plan = Plan(plan_id="p", steps=steps, globals=Globals(max_concurrency=6))
    batches = []

    async def scenario(engine, journal):
        commit = journal.commit_now

        def counted(lease, events, **more):
            batches.append(Counter(event.type for event in events))
            commit(lease, events, **more)

        journal.commit_now = counted
        run = await engine.start(plan, options=options)
        async for event in run.events():
            if event.type == "attempt.starting":
                # The loop stands still until all have ended.
                for child in run.run._works._children.values():
                    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
                break
        assert (await run.wait()).status == "succeeded"

    drive(scenario)
    started, ended = batches
    assert started["attempt.starting"] == 6
    assert (ended["step.settled"], ended["run.settled"]) == (6, 1)


def test_leaving_the_engine_suspends_and_a_resume_goes_on(drive, options, until, tmp_path):
    plan = Plan(
        plan_id="later",
        steps=(
            Step(id="done", run="echo once >> log"),
            Step(id="slow", run="test -e go || sleep 300", depends_on=("done",)),
        ),
    )

    async def main():
        journal = await open_journal(tmp_path / "j.db")
        async with Engine(journal, tmp_path, kinds()) as engine:
            run = await engine.start(plan, options=options)
            await until(run, "attempt.starting", "slow")
        assert (await run.wait()).status == "suspended"
        (tmp_path / "go").touch()
        async with Engine(journal, tmp_path, kinds()) as engine:
            resumed = await engine.resume(run.run_id)
            assert (await resumed.wait()).status == "succeeded"
        statuses = [(row.step_id, row.status) for row in await journal.attempts(run.run_id)]
        assert statuses == [("done", "succeeded"), ("slow", "lost"), ("slow", "succeeded")]
        await journal.close()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert (tmp_path / "log").read_text() == "once\n"
