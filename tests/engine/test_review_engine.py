"""The engine when things go wrong: secrets in control data, a failing journal, bad commands."""

import asyncio

import msgspec
import pytest

from stoker.engine import engine as engines
from stoker.engine.commands import CommandRefused
from stoker.engine.feed import Feed
from stoker.engine.works import Works
from stoker.journal.base import Command, JournalError, UnknownRun
from stoker.plan.errors import PlanError
from stoker.plan.model import Plan
from stoker.process.spawner import Spawner
from stoker.process.tree import end_all

SECRET = {"pw": {"secret": True}}
FOREVER = "sleep 100"


def plan(*steps, **more):
    return msgspec.convert({"plan_id": "p", "steps": steps, **more}, Plan)


@pytest.fixture
def broken():
    """`broken(journal, *methods)`: from now on these fail, until `undo()` of what it returns."""
    patch = pytest.MonkeyPatch()

    def breaking(journal, *methods):
        async def fail(*args, **kwargs):
            raise JournalError("disk full")

        for method in methods:
            patch.setattr(journal, method, fail)
        return patch

    yield breaking
    patch.undo()


# Secrets.


@pytest.mark.parametrize("word", ["status", "succeeded", "satisfied", "reason", "for", "steps"])
def test_a_secret_that_is_a_word_of_the_journals_harms_nothing(execute, word):
    steps = [
        {"id": "a", "run": "true", "condition": "inputs.pw == 'x'"},
        {"id": "b", "foreach": [1, 2], "command": "true", "depends_on": ["a"]},
    ]
    done = execute(steps, inputs=SECRET, given={"pw": word})
    assert done.outcome.status == "succeeded"
    assert done.statuses == {s: "skipped" if s == "a" else "succeeded" for s in done.statuses}


def test_texts_and_outputs_lose_their_secrets_and_keep_their_keys(execute, until):
    steps = [
        {
            "id": "a",
            "run": """echo '{"value": {"value": "the value"}}' > $STOKER_OUTPUT""",
            "provides": ["value"],
            "on_failure": "continue",
        },
        {"id": "c", "run": "true", "approval": True, "depends_on": ["a"]},
    ]

    async def reject(handle):
        await until(handle, "approval.requested", "c")
        await handle.reject("c", "not with secret1")

    done = execute(steps, reject, inputs=SECRET, given={"pw": "secret1"}, park=False)
    assert done.reasons["c"] == "rejected by api: not with ***"
    assert done.outputs["a"] == {"value": {"value": "the value"}}


def test_a_foreach_that_would_journal_a_secret_fails_instead_of_running_something_else(execute):
    steps = [{"id": "a", "foreach": ["contest"], "run": "echo ${{ item }}"}]
    done = execute(steps, inputs=SECRET, given={"pw": "test"})
    assert done.statuses == {"a": "failed"}
    assert "would put a secret into the journal; hand it on by env" in done.reasons["a"]


def test_a_foreach_without_a_secret_is_left_as_it_is(execute):
    steps = [
        {"id": "a", "command": "true"},
        {"id": "b", "foreach": ["one"], "run": "echo ${{ item }}", "depends_on": ["a"]},
    ]
    done = execute(steps, inputs=SECRET, given={"pw": "hunter2"})
    assert done.stdout("b[one]") == "one\n"


def test_an_extension_that_would_journal_a_secret_fails_its_step(execute):
    written = """echo '[{"id": "new", "run": "echo hunter2 ran"}]' > $STOKER_EXTEND"""
    steps = [{"id": "a", "run": written}]
    done = execute(steps, inputs=SECRET, given={"pw": "hunter2"})
    assert done.statuses == {"a": "failed"}
    assert "would put a secret into the journal" in done.reasons["a"]


def test_words_of_an_extension_may_look_like_a_secret(execute):
    written = """echo '[{"id": "new", "run": "true"}]' > $STOKER_EXTEND"""
    done = execute([{"id": "a", "run": written}], inputs=SECRET, given={"pw": "run"})
    assert done.statuses == {"a": "succeeded", "new": "succeeded"}


def test_an_extension_by_command_with_a_secret_is_refused(execute):
    async def extend(handle):
        with pytest.raises(CommandRefused, match="would put a secret into the journal"):
            await handle.extend('[{"id": "new", "run": "echo hunter2"}]')
        await handle.approve("a")

    steps = [{"id": "a", "run": "true", "approval": True}]
    done = execute(steps, extend, inputs=SECRET, given={"pw": "hunter2"}, park=False)
    assert done.statuses == {"a": "succeeded"}


# Extensions.


def test_of_two_extensions_with_one_id_the_later_fails(execute, monkeypatch):
    """Both attempts end in one tick: neither is read before the other is decided."""
    held = []
    original = Works._ended

    def ended(self, *end):
        held.append(end)
        if len(held) == 2:
            for each in held:
                original(self, *each)
        elif len(held) > 2:
            original(self, *end)

    monkeypatch.setattr(Works, "_ended", ended)
    written = """echo '[{"id": "new", "command": "true"}]' > $STOKER_EXTEND"""
    steps = [{"id": s, "run": written, "on_failure": "continue"} for s in "ab"]
    done = execute(steps, options={"max_concurrency": 4})
    assert sorted(done.statuses.values()) == ["failed", "succeeded", "succeeded"]
    assert done.types().count("run.extended") == 1
    failed = "a" if done.statuses["a"] == "failed" else "b"
    assert "duplicate id 'new'" in done.reasons[failed]


def test_a_step_that_breaks_its_promise_extends_nothing(execute):
    written = """echo '[{"id": "new", "command": "true"}]' > $STOKER_EXTEND"""
    steps = [{"id": "a", "run": written, "provides": ["x"], "strict_outputs": True}]
    done = execute(steps)
    assert done.statuses == {"a": "failed"}
    assert "run.extended" not in done.types()


# What ends a run by force.


def test_slots_and_resources_come_back_from_a_run_that_cannot_go_on(drive, options, broken, until):
    async def body(engine, journal):
        first = await engine.start(
            plan({"id": "x", "run": FOREVER, "resources": {"gpu": 1}}), options=options
        )
        await until(first, "attempt.starting")
        patch = broken(journal, "commit")
        with pytest.raises((CommandRefused, JournalError)):
            await first.pause()
        with pytest.raises(JournalError):
            await first.wait()
        patch.undo()
        second = await engine.start(
            plan({"id": "y", "command": "true", "resources": {"gpu": 1}}), options=options
        )
        assert (await second.wait()).status == "succeeded"

    drive(body, max_concurrency=1, resources={"gpu": 1})


def test_a_lease_that_was_not_released_is_released_later(
    drive, options, broken, until, monkeypatch
):
    monkeypatch.setattr("stoker.engine.leases.LEASE_SECONDS", 0.06)

    async def body(engine, journal):
        first = await engine.start(
            plan({"id": "x", "run": FOREVER, "locks": ["L"]}), options=options
        )
        await until(first, "attempt.starting")
        patch = broken(journal, "commit", "release")
        with pytest.raises((CommandRefused, JournalError)):
            await first.pause()
        with pytest.raises(JournalError):
            await first.wait()
        patch.undo()
        second = await engine.start(
            plan({"id": "y", "command": "true", "locks": ["L"]}), options=options
        )
        assert (await second.wait()).status == "succeeded"
        assert not engine._leases._unreleased

    drive(body)


def test_a_handle_ends_even_if_the_engines_tasks_are_cancelled(drive, options, until):
    async def body(engine, journal):
        handle = await engine.start(plan({"id": "x", "run": FOREVER}), options=options)
        await until(handle, "attempt.starting")
        (task,) = (t for t in asyncio.all_tasks() if t.get_name() == f"run {handle.run_id}")
        task.cancel()
        assert (await handle.wait()).status == "suspended"
        assert (await journal.run(handle.run_id)).engine is None

    drive(body)


def test_a_second_cancel_closes_the_feed_all_the_same(drive, options, until, monkeypatch):
    ending = asyncio.Event()

    async def never(self):
        ending.set()
        await asyncio.Event().wait()

    async def body(engine, journal):
        handle = await engine.start(plan({"id": "x", "run": FOREVER}), options=options)
        await until(handle, "attempt.starting")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Works, "end_processes", never)
            (task,) = (t for t in asyncio.all_tasks() if t.get_name() == f"run {handle.run_id}")
            task.cancel()
            await ending.wait()
            task.cancel()
            assert "attempt.starting" in [event.type async for event in handle.events()]
            await handle.wait()
        await handle.run._works.end_processes()

    drive(body)


def test_the_spawner_is_closed_with_its_engine(drive, options, monkeypatch):
    closed = []
    original = Spawner.close
    monkeypatch.setattr(Spawner, "close", lambda self: (closed.append(self), original(self)))

    async def body(engine, journal):
        handle = await engine.start(plan({"id": "x", "command": "true"}), options=options)
        await handle.wait()

    drive(body)
    assert len(closed) == 1


# Starting and resuming.


def test_a_start_that_cannot_make_its_directory_creates_no_run(drive, options, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "runs").write_text("in the way")

    async def body(engine, journal):
        with pytest.raises(OSError, match="runs"):
            await engine.start(plan({"id": "x", "command": "true"}), options=options, run_id="r")
        with pytest.raises(UnknownRun):
            await journal.run("r")

    drive(body)


def test_a_start_that_fails_late_gives_its_lease_back(drive, options, broken):
    async def body(engine, journal):
        patch = broken(journal, "durations")
        with pytest.raises(JournalError):
            await engine.start(plan({"id": "x", "command": "true"}), options=options, run_id="r")
        patch.undo()
        assert (await journal.run("r")).engine is None
        resumed = await engine.resume("r")
        assert (await resumed.wait()).status == "succeeded"

    drive(body)


def test_a_resume_names_the_kinds_it_lacks(drive, options):
    async def body(engine, journal):
        run = await engine.start(
            plan({"id": "x", "run": "true", "approval": True}), options=options, run_id="r"
        )
        await run.wait()
        known, engine._kinds = engine._kinds, {}
        with pytest.raises(PlanError, match=r"step 'x' is of type 'shell', which is not"):
            await engine.resume("r")
        engine._kinds = known
        resumed = await engine.resume("r", park=False)
        await resumed.approve("x")
        assert (await resumed.wait()).status == "succeeded"

    drive(body)


def test_survivors_are_ended_together(drive, options, monkeypatch):
    started = []
    together = asyncio.Event()

    async def end(marker):
        started.append(marker)
        if len(started) == 2:
            together.set()
        await together.wait()
        await end_all(marker)

    class Survivor:
        def __init__(self, marker):
            self.marker = marker

    async def main(engine, journal):
        run = await engine.start(
            plan({"id": "a", "command": "true", "approval": True}), options=options, run_id="r"
        )
        await run.wait()
        prefix = run.run._launcher.marker
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engines, "marked", lambda _: [Survivor(f"{prefix}/{s}/1") for s in "ab"])
            patch.setattr(engines, "end_all", end)
            resumed = await engine.resume("r")
        await resumed.wait()
        assert len(started) == 2

    drive(main)


# Commands.


@pytest.mark.parametrize(
    ("kind", "payload", "why"),
    [
        ("resolve", {"step": "x"}, "outcome: expected one of rerun, succeeded, failed, found None"),
        ("resolve", {"step": "x", "outcome": "Succeeded"}, "found 'Succeeded'"),
        ("extend", {}, "expected 'steps', a JSON or YAML text, found None"),
        ("frobnicate", {"step": "x"}, "no command is called 'frobnicate'"),
    ],
)
def test_a_malformed_command_is_refused_and_the_run_lives(execute, until, kind, payload, why):
    async def act(handle):
        with pytest.raises(CommandRefused, match=why):
            await handle._ask(kind, payload)
        await handle.approve("x")

    done = execute([{"id": "x", "command": "true", "approval": True}], act, park=False)
    assert done.outcome.status == "succeeded"


def test_a_malformed_command_in_the_inbox_is_applied_once_and_refused(drive, options):
    async def body(engine, journal):
        step = {"id": "x", "command": "true", "approval": True}
        run = await engine.start(plan(step), options=options, run_id="r")
        await run.wait()
        await journal.send(Command(run_id="r", kind="resolve", payload={"step": "x"}))
        resumed = await engine.resume("r")
        assert (await resumed.wait()).status == "waiting"
        assert await journal.commands("r") == []
        assert "command.refused" in [event.type for event in await journal.events("r")]

    drive(body)


# Resources.


def test_a_demand_above_capacity_fails_the_step_and_says_so(execute):
    done = execute(
        [
            {"id": "x", "command": "true", "resources": {"gpu": 3}, "on_failure": "continue"},
            {"id": "y", "command": "true", "resources": {"ram": "900GiB"}},
        ],
        engine={"resources": {"gpu": 2, "ram": 16e9}},
    )
    assert done.statuses == {"x": "failed", "y": "failed"}
    assert done.reasons["x"] == "needs 3 of resource 'gpu', but there is only 2"
    assert done.reasons["y"] == (
        "needs 966,367,641,600 of resource 'ram', but there is only 16,000,000,000"
    )


def test_only_who_must_wait_for_resources_says_so(execute):
    steps = [{"id": s, "command": "true", "resources": {"gpu": 2}} for s in "abc"]
    done = execute(steps, engine={"resources": {"gpu": 2}}, options={"max_concurrency": 9})
    assert done.outcome.status == "succeeded"
    waits = [(e.step, e.data) for e in done.events if e.type == "step.waiting"]
    assert waits == [("b", {"for": "resources"}), ("c", {"for": "resources"})]


# The feed.


def test_a_reader_of_a_deleted_run_ends():
    class Empty:
        async def events(self, *args, **kwargs):
            return []

    async def main():
        feed = Feed("r", Empty(), 10)
        return [event async for event in feed.read()]

    assert asyncio.run(asyncio.wait_for(main(), 20)) == []
