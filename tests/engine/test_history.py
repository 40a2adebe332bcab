"""What is read from a journal afterwards: views, times, reuse, retention."""

import asyncio
import os
from dataclasses import dataclass, field

import msgspec
import pytest

from stoker.engine.retention import Policy, collect
from stoker.engine.reuse import expansions, extensions, reusable
from stoker.engine.stats import plan_stats, run_stats, spread
from stoker.engine.view import activity, read_run, view
from stoker.journal.base import NewRun, RunBusy, UnknownRun
from stoker.journal.events import Event
from stoker.journal.identity import current_engine
from stoker.journal.open import open_journal


@dataclass
class History:
    """A run's events, written down by hand; times are seconds from its start."""

    run_id: str
    steps: list[dict]
    events: list[tuple] = field(default_factory=list)
    plan_id: str = "p"
    parent: tuple[str, str] | None = None
    release: bool = True
    start: float = 1_000.0

    def __post_init__(self):
        self.add(0, "run.created")
        self.add(0, "run.started", engine="e", resumed=False)

    def add(self, time, type_, step=None, attempt=None, **data):
        self.events.append((self.start + time, type_, step, attempt, data))
        return self

    def began(self, step, time, attempt=1, **data):
        return self.add(time, "attempt.starting", step, attempt, kind="shell", **data)

    def ended(self, step, time, status="succeeded", attempt=1, **data):
        return self.add(time, "attempt.settled", step, attempt, status=status, **data)

    def settled(self, step, time, status="succeeded", **data):
        return self.add(time, "step.settled", step, status=status, **data)

    def ran(self, step, begin, end, **data):
        return self.began(step, begin).ended(step, end).settled(step, end, **data)

    def over(self, time, status="succeeded"):
        return self.add(time, "run.settled", status=status)

    async def write(self, journal):
        run = NewRun(
            run_id=self.run_id,
            plan_id=self.plan_id,
            plan_version="1",
            plan_description="",
            plan_json=msgspec.json.encode({"plan_id": self.plan_id, "steps": self.steps}),
            parent_run_id=self.parent and self.parent[0],
            parent_step_id=self.parent and self.parent[1],
        )
        await journal.create_run(run)
        lease = await journal.acquire(self.run_id, current_engine())
        await journal.commit(
            lease,
            [
                Event(self.run_id, number, kind, time, step, attempt, data)
                for number, (time, kind, step, attempt, data) in enumerate(self.events, 1)
            ],
        )
        if self.release:
            await journal.release(lease)


@pytest.fixture
def with_journal(tmp_path):
    """Run `body(journal)` on a journal with these histories."""

    def run(body, *histories):
        async def main():
            journal = await open_journal(tmp_path / "journal.db")
            try:
                for history in histories:
                    await history.write(journal)
                return await body(journal)
            finally:
                await journal.close()

        return asyncio.run(main())

    return run


def read(with_journal, history):
    return with_journal(lambda journal: read_run(journal, history.run_id), history)


def steps(**depends_on):
    return [
        {"id": step_id, "run": "true", "depends_on": names.split()}
        for step_id, names in depends_on.items()
    ]


def test_a_view_tells_every_attempt_and_why(with_journal):
    history = History("r", steps(a="", b="a", c=""))
    history.began("a", 1, stdout_path="/o", stderr_path="/e")
    history.add(1.5, "attempt.running", "a", 1, pid=7)
    history.ended("a", 2.25, "failed", exit_code=9, error="exit code 9")
    history.began("a", 3, 2).ended("a", 4, attempt=2, exit_code=0)
    history.settled("a", 4, outputs={"x": [1]}).settled("b", 5, "skipped", reason="no")
    history.add(6, "approval.requested", "c", prompt="sure?", timeout_sec=60.0, default="reject")
    document = view(read(with_journal, history))
    a, b, c = document.steps
    assert [(attempt.number, attempt.status) for attempt in a.attempts] == [
        (1, "failed"),
        (2, "succeeded"),
    ]
    first = a.attempts[0]
    assert (first.pid, first.exit_code, first.error) == (7, 9, "exit code 9")
    assert (first.stdout_path, first.stderr_path) == ("/o", "/e")
    assert (first.started_at, first.finished_at) == (
        "1970-01-01T00:16:41.000Z",
        "1970-01-01T00:16:42.250Z",
    )
    assert a.outputs == {"x": [1]}
    assert (b.status, b.reason, b.skip_reason) == ("skipped", "no", "no")
    assert (c.status, c.reason, c.skip_reason) == ("waiting", "approval", None)
    assert c.approval is not None
    assert (c.approval.prompt, c.approval.timeout_sec) == ("sure?", 60.0)
    assert (document.reason, document.activity) == ("approval of c", "parked")
    assert document.last_sequence == len(history.events)


def test_activity_tells_who_drives_a_run(with_journal):
    live = History("live", steps(a=""), release=False).began("a", 1)
    assert view(read(with_journal, live)).activity == "live"
    stopped = History("stopped", steps(a="")).began("a", 1)
    standing = read(with_journal, stopped)
    assert activity(standing.row) == "parked"
    assert view(standing).activity == "interrupted"
    over = History("over", steps(a="")).ran("a", 1, 2).over(2)
    assert view(read(with_journal, over)).activity == "over"


def test_the_critical_path_follows_what_was_waited_for(with_journal):
    history = History("r", steps(a="", b="", slow="a", quick="b", never="a", last="slow never"))
    history.ran("a", 0, 1).ran("b", 0, 3).ran("slow", 1.5, 5).ran("quick", 3, 4)
    # What ran nothing itself is seen through.
    history.settled("never", 5, "skipped", satisfied=True)
    history.ran("last", 5, 6).over(6)
    stats = run_stats(read(with_journal, history), now=0, width=2)
    assert [(step.id, step.seconds, step.waited_sec) for step in stats.critical_path] == [
        ("a", 1.0, 0.0),
        ("slow", 3.5, 0.5),
        ("last", 1.0, 0.0),
    ]
    assert stats.critical_path_sec == stats.elapsed_sec == 6.0
    assert stats.busy_sec == 9.5
    assert stats.peak_parallel == 2
    assert stats.utilisation == pytest.approx(9.5 / 12)
    assert [step.id for step in stats.slowest[:2]] == ["slow", "b"]


def test_the_critical_path_goes_through_children_and_attempts_that_run(with_journal):
    history = History("r", [*steps(a=""), {"id": "each", "foreach": ["x"], "run": "true"}])
    history.steps[1]["depends_on"] = ["a"]
    history.steps += steps(z="each")
    child = {"id": "each[x]", "run": "true", "depends_on": ["a"]}
    history.ran("a", 0, 1).add(1, "step.expanded", "each", steps=[child])
    history.ran("each[x]", 1, 3).settled("each", 3).began("z", 3)
    stats = run_stats(read(with_journal, history), now=1_010, width=None)
    assert [step.id for step in stats.critical_path] == ["a", "each[x]", "z"]
    assert stats.critical_path[-1].seconds == 7.0
    assert stats.utilisation is None


def test_a_plan_is_measured_over_its_runs(with_journal):
    runs = []
    for number in range(3):
        history = History(f"r{number}", steps(a="", b=""), start=1_000.0 * number)
        history.began("a", 0).ended("a", 1, "failed").began("a", 1, 2, retries_attempted=1)
        history.ended("a", 2 + number, attempt=2).settled("a", 2 + number)
        history.began("b", 0).ended("b", 1, "timed_out").settled("b", 1, "failed")
        runs.append(history.over(2 + number, "failed" if number == 2 else "succeeded"))
    open_ = History("open", steps(a="", b="")).began("a", 0)
    stats = with_journal(lambda journal: plan_stats(journal, "p"), *runs, open_)
    assert (stats.runs, stats.by_status) == (3, {"failed": 1, "succeeded": 2})
    assert (stats.duration.min, stats.duration.max) == (2.0, 3.0)
    a, b = stats.steps
    assert (a.id, a.retries, a.failures, a.duration.median) == ("a", 3, 0, 2.0)
    assert (b.id, b.failures, b.duration) == ("b", 3, None)


def test_a_spread_interpolates():
    assert spread([]) is None
    found = spread([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (found.count, found.min, found.median, found.max) == (5, 1.0, 3.0, 5.0)
    assert found.p95 == pytest.approx(4.8)


def test_what_is_reused_is_nothing_that_runs_again(with_journal):
    plan = [
        *steps(a="", b="a", c="b", side=""),
        {"id": "watch", "run": "true", "condition": "prev.b.status == 'success'"},
        {"id": "risky", "run": "true", "on_failure": "fallback_step", "fallback_step": "safe"},
        *steps(safe="", after="risky"),
    ]
    history = History("r", plan)
    for step in ("a", "b", "c", "side", "watch"):
        history.ran(step, 0, 1)
    history.began("risky", 0).ended("risky", 1, "failed").settled("risky", 1, "failed")
    history.ran("safe", 1, 2).ran("after", 2, 3)
    state = read(with_journal, history).state
    others = {"safe", "after"}
    assert reusable(state, ["b"]).keys() == {"a", "side"} | others  # by order alone: watch
    assert reusable(state, ["side"]).keys() == {"a", "b", "c", "watch"} | others
    # A fallback stands for what it covers, and so for all behind that.
    assert reusable(state, ["safe"]).keys() == {"a", "b", "c", "side", "watch"}
    assert reusable(state, ["risky"]).keys() == {"a", "b", "c", "side", "watch"}


def test_an_expanded_step_is_reused_as_a_whole(with_journal):
    history = History("r", [{"id": "each", "foreach": ["x", "y"], "run": "true"}])
    children = [{"id": f"each[{name}]", "run": "true"} for name in "xy"]
    history.add(0, "step.expanded", "each", steps=children)
    history.ran("each[x]", 0, 1).ran("each[y]", 0, 1).settled("each", 1, outputs={"n": [1, 2]})
    history.add(1, "run.extended", steps=steps(late="each[x]"), source="someone")
    history.add(1, "run.extended", steps=steps(own="each"), source="step each")
    history.ran("late", 1, 2).ran("own", 1, 2)
    state = read(with_journal, history).state
    events = [
        Event("r", number, kind, time, step, attempt, data)
        for number, (time, kind, step, attempt, data) in enumerate(history.events, 1)
    ]
    reused = reusable(state, ["late"])
    assert reused == {"each": {"n": [1, 2]}, "own": {}}
    assert [(step.id, step.depends_on) for step in extensions(state, events, reused)] == [
        ("late", ("each",)),
        ("own", ("each",)),
    ]
    # Running again, `each` brings its own extension again.
    for reused in (reusable(state, ["each"]), reusable(state, ["each[y]"], partly=False)):
        assert reused == {}
        assert [step.id for step in extensions(state, events, reused)] == ["late"]


def test_children_that_succeeded_are_reused_unless_their_step_may_be_expanded_otherwise(
    with_journal,
):
    plan = [
        *steps(find="", free=""),
        {"id": "each", "foreach": "prev.find.outputs.all", "run": "true", "depends_on": ["find"]},
        *steps(after="each"),
    ]
    history = History("r", plan)
    for step in ("find", "free"):
        history.ran(step, 0, 1)
    children = [{"id": f"each[{name}]", "run": "true", "depends_on": ["find"]} for name in "xyz"]
    history.add(1, "step.expanded", "each", steps=children)
    history.ran("each[x]", 1, 2).ran("each[z]", 1, 2)
    history.began("each[y]", 1).ended("each[y]", 2, "failed").settled("each[y]", 2, "failed")
    history.settled("each", 2, "failed").settled("after", 2, "skipped")
    state = read(with_journal, history).state
    reused = reusable(state, ["each[y]"])
    assert reused.keys() == {"find", "free", "each[x]", "each[z]"}
    assert [step.id for step in expansions(state, reused)["each"]] == [f"each[{n}]" for n in "xyz"]
    for whole in (
        reusable(state, ["each"]),
        reusable(state, ["each", "each[y]"]),
        reusable(state, ["each[y]", "each"]),
        reusable(state, ["each[y]"], partly=False),
    ):
        assert whole.keys() == {"find", "free"}
        assert expansions(state, whole) == {}
    assert reusable(state, ["find", "each[y]"]).keys() == {"free"}
    assert reusable(state, ["each[y]", "find"]).keys() == {"free"}


def test_retention_takes_whole_families_that_are_over(with_journal, tmp_path):
    def run(run_id, *, over=True, **fields):
        history = History(run_id, steps(a=""), **fields)
        (tmp_path / "runs" / run_id).mkdir(parents=True)
        (tmp_path / "runs" / run_id / "log").write_text("x" * 5000)
        return history.over(1) if over else history

    histories = (
        run("old"),
        run("old.a.1", parent=("old", "a")),
        run("mixed"),
        run("mixed.a.1", parent=("mixed", "a"), over=False),
        run("new"),
        run("other", plan_id="q"),
        run("open", over=False),
    )
    stray = tmp_path / "runs" / "stray"
    stray.mkdir()
    (stray / "journal").symlink_to("../../journal.db")
    os.utime(stray, (0, 0))

    async def body(journal):
        nothing = await collect(journal, tmp_path, Policy(older_than_sec=10), now=1_010.0)
        assert (nothing.runs, nothing.orphans, nothing.kept) == ([], [], 7)
        now = stray.parent.stat().st_mtime
        would = await collect(journal, tmp_path, Policy(keep=1), now=now, dry_run=True)
        assert set(would.runs) == {"old", "old.a.1"}
        assert would.orphans == ["stray"]
        assert would.bytes >= 10_000
        assert stray.exists()
        done = await collect(journal, tmp_path, Policy(keep=1), now=now)
        assert done == would
        again = await collect(journal, tmp_path, Policy(keep=1), now=now)
        assert (again.runs, again.orphans, again.bytes) == ([], [], 0)
        with pytest.raises(UnknownRun):
            await journal.run("old")
        rest = await collect(journal, tmp_path, Policy(), now=now)
        assert set(rest.runs) == {"new", "other"}
        with pytest.raises(RunBusy):
            await journal.delete_run("open")
        left = {path.name for path in (tmp_path / "runs").iterdir()}
        assert left == {"mixed", "mixed.a.1", "open"}

    with_journal(body, *histories)


def test_ten_thousand_settled_steps_are_read_from_their_events_alone(with_journal):
    names = [f"s{number}" for number in range(10_000)]
    history = History("r", [{"id": name, "run": "true"} for name in names])
    for name in names:
        history.ran(name, 0, 1)
    document = view(read(with_journal, history.over(1)))
    assert {step.status for step in document.steps} == {"succeeded"}
    assert sum(len(step.attempts) for step in document.steps) == 10_000
