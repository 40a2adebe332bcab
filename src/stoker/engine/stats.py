"""How long things took: one run by its actual times, and a plan over its past runs.

All durations are in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from statistics import quantiles

from msgspec import Struct

from stoker.engine.state import RunState
from stoker.engine.view import Standing
from stoker.journal.base import AttemptRow, Journal, RunRow
from stoker.journal.events import RunStatus


class Spread(Struct, frozen=True):
    """Durations of the same thing, over several runs."""

    count: int
    min: float
    median: float
    p95: float
    max: float


class StepTime(Struct, frozen=True, kw_only=True):
    """One step in one run."""

    id: str
    seconds: float
    """From the start of its first attempt to the end of its last."""
    waited_sec: float = 0.0
    """On a critical path: from the end of what it waited for to its start (a free slot, a
    lock, a person, a backoff)."""
    attempts: int = 1
    status: str = ""


class RunStats(Struct, frozen=True, kw_only=True):
    """One run."""

    run_id: str
    plan_id: str
    status: str
    elapsed_sec: float
    """From the run's start to its end, or to now."""
    steps: int
    attempts: int
    retries: int
    busy_sec: float
    """Sum over all attempts."""
    mean_parallel: float
    peak_parallel: int
    width: int | None
    """How many steps could run at once."""
    utilisation: float | None
    """Share of `width` that was in use, 0 to 1."""
    critical_path_sec: float
    critical_path: list[StepTime]
    """The chain of steps that decided when the run ended, first step first."""
    slowest: list[StepTime]


class StepStats(Struct, frozen=True, kw_only=True):
    """One step over several runs."""

    id: str
    duration: Spread | None
    """Of its succeeded attempts; None if none succeeded."""
    retries: int
    failures: int
    """Runs in which its last attempt did not succeed."""


class PlanStats(Struct, frozen=True, kw_only=True):
    """A plan over its most recent runs."""

    plan_id: str
    runs: int
    by_status: dict[str, int]
    duration: Spread | None
    """Of the runs that succeeded."""
    steps: list[StepStats]
    """Slowest median first."""


def run_stats(standing: Standing, *, now: float, width: int | None, slowest: int = 10) -> RunStats:
    """Measure one run; what still runs is taken to end `now` (seconds since the epoch)."""
    state = standing.state
    spans = {
        step_id: (rows[0].started_at, _end(rows[-1], now))
        for step_id, rows in standing.attempts.items()
    }
    rows = list(chain.from_iterable(standing.attempts.values()))
    began = state.started_at if state.started_at is not None else standing.row.created_at
    elapsed = max(0.0, (state.finished_at or now) - began)
    busy = sum(_end(row, now) - row.started_at for row in rows)
    path = _critical_path(standing, spans, began)
    times = [_time(standing, step_id, spans[step_id]) for step_id in spans]
    times.sort(key=lambda time: (-time.seconds, time.id))
    return RunStats(
        run_id=standing.row.run_id,
        plan_id=standing.row.plan_id,
        status=state.status,
        elapsed_sec=elapsed,
        steps=len(state.steps),
        attempts=len(rows),
        retries=sum(_retries(rows) for rows in standing.attempts.values()),
        busy_sec=busy,
        mean_parallel=busy / elapsed if elapsed else 0.0,
        peak_parallel=_peak((row.started_at, _end(row, now)) for row in rows),
        width=width,
        utilisation=min(1.0, busy / (elapsed * width)) if width and elapsed else None,
        critical_path_sec=sum(time.seconds + time.waited_sec for time in path),
        critical_path=path,
        slowest=times[:slowest],
    )


async def plan_stats(journal: Journal, plan_id: str, *, limit: int = 20) -> PlanStats:
    """Measure the `limit` most recent runs of a plan that are over."""
    over: tuple[RunStatus, ...] = ("succeeded", "failed", "canceled")
    runs = await journal.runs(plan_id=plan_id, status=over, limit=limit)
    samples: dict[str, list[float]] = {}
    retries: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for run in runs:
        by_step: dict[str, list[AttemptRow]] = {}
        for row in await journal.attempts(run.run_id):
            by_step.setdefault(row.step_id, []).append(row)
        for step_id, rows in by_step.items():
            rows.sort(key=lambda row: row.attempt)
            found = samples.setdefault(step_id, [])
            found.extend(_end(row) - row.started_at for row in rows if row.status == "succeeded")
            retries[step_id] += _retries(rows)
            failures[step_id] += rows[-1].status in ("failed", "timed_out")
    steps = [
        StepStats(
            id=step_id,
            duration=spread(seconds),
            retries=retries[step_id],
            failures=failures[step_id],
        )
        for step_id, seconds in samples.items()
    ]
    steps.sort(key=lambda step: (-(step.duration.median if step.duration else 0.0), step.id))
    return PlanStats(
        plan_id=plan_id,
        runs=len(runs),
        by_status=dict(Counter(run.status for run in runs)),
        duration=spread([_elapsed(run) for run in runs if run.status == "succeeded"]),
        steps=steps,
    )


def spread(seconds: Iterable[float]) -> Spread | None:
    """Summarise durations; None if there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    # Of a single value there are none before Python 3.13.
    twentieths = quantiles(ordered * 2 if len(ordered) < 2 else ordered, n=20, method="inclusive")
    return Spread(
        count=len(ordered),
        min=ordered[0],
        median=twentieths[9],
        p95=twentieths[18],
        max=ordered[-1],
    )


def _end(row: AttemptRow, now: float | None = None) -> float:
    end = row.finished_at if row.finished_at is not None else now
    # Wall clocks can be set back while an attempt runs.
    return max(row.started_at, end if end is not None else row.started_at)


def _elapsed(run: RunRow) -> float:
    if run.started_at is None or run.finished_at is None:
        return 0.0
    return max(0.0, run.finished_at - run.started_at)


def _retries(rows: Sequence[AttemptRow]) -> int:
    """Attempts after a failure; those after a crash of the engine are none."""
    return rows[-1].retries_attempted


def _peak(spans: Iterable[tuple[float, float]]) -> int:
    # At equal times an end comes before a start.
    edges = sorted(edge for start, end in spans for edge in ((start, 1), (end, -1)))
    peak = busy = 0
    for _, change in edges:
        busy += change
        peak = max(peak, busy)
    return peak


def _time(
    standing: Standing, step_id: str, span: tuple[float, float], waited: float = 0.0
) -> StepTime:
    return StepTime(
        id=step_id,
        seconds=span[1] - span[0],
        waited_sec=max(0.0, waited),
        attempts=len(standing.attempts[step_id]),
        status=standing.state[step_id].status,
    )


def _critical_path(
    standing: Standing, spans: Mapping[str, tuple[float, float]], began: float
) -> list[StepTime]:
    """Back from the step that ended last, each time to what it had waited for last."""
    state, ids = standing.state, standing.state.graph.ids
    path: list[StepTime] = []
    current = max(spans, key=lambda step_id: spans[step_id][1], default=None)
    seen: set[str] = set()
    while current is not None and current not in seen:
        seen.add(current)
        start = spans[current][0]
        before = [
            ids[index]
            for index in _waited_for(state, state.graph.index[current])
            if ids[index] in spans and spans[ids[index]][1] <= start
        ]
        cause = max(before, key=lambda step_id: spans[step_id][1], default=None)
        since = spans[cause][1] if cause is not None else began
        path.append(_time(standing, current, spans[current], start - since))
        current = cause
    path.reverse()
    return path


def _waited_for(state: RunState, index: int) -> set[int]:
    """Steps with attempts of their own that had to end before this one: its dependencies,
    seen through those that ran nothing themselves (skipped, or expanded into children)."""
    graph = state.graph
    found: set[int] = set()
    seen: set[int] = set()
    pending = [index]
    while pending:
        step = pending.pop()
        for before in (
            *graph.dependencies[step],
            *graph.order_only[step],
            *graph.fallback_of.get(step, ()),
            *state.steps[step].children,
        ):
            if before in seen:
                continue
            seen.add(before)
            if state.steps[before].number:
                found.add(before)
            else:
                pending.append(before)
    return found
