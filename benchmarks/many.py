"""50 runs of 200 steps at once in one engine, beside one run of 10,000."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Bench, Case
from benchmarks.peers import PYTHON, STOKERS
from benchmarks.shapes import independent
from benchmarks.table import Row

_PROGRAM = """
import asyncio, stoker
async def main():
    steps = [stoker.Step(id=f"s{number}", command="/bin/true") for number in range(%d)]
    plan = stoker.build("many", steps=steps)
    async with stoker.open_engine("journal.db", max_concurrency=%d) as engine:
        runs = [await engine.start(plan) for _ in range(%d)]
        outcomes = [await run.wait() for run in runs]
    assert all(outcome.status == "succeeded" for outcome in outcomes), outcomes
asyncio.run(main())
"""


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Both at width 2, interleaved."""
    runs, steps, width = (5, 10, 2) if quick else (50, 200, 2)

    def prepare(folder: Path) -> Sequence[str | Path]:
        return [PYTHON, "-c", _PROGRAM % (steps, width, runs)]

    title = f"{runs} runs of {steps} steps, one engine"
    one = f"1 run of {runs * steps:,}"
    alone = STOKERS[0].case(independent(runs * steps), width)
    found = bench.interleave(title, [Case(one, alone.prepare), Case("stoker", prepare)])
    return [
        Row(
            measure=title,
            who=f"stoker, {one}" if name == one else name,
            value=samples.median("wall"),
            unit="s",
            floor=None if name == one else samples.ratio(found[one]),
            cpu=samples.median("cpu"),
            peak=samples.median("peak") / 1e6,
        )
        for name, samples in found.items()
    ]
