"""Going on with a run whose 10,000 steps are settled and that waits for a person."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from benchmarks.measure import Bench, run
from benchmarks.peers import STOKER
from benchmarks.table import Row

_WAITING = 3
"""Exit status of a run that waits for a person."""


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Whole process, from the shell: it reads the journal, folds it and parks again."""
    count = 50 if quick else 10_000
    folder = bench.fresh()
    _settle(count, folder)
    took = []
    for _ in range(max(bench.rounds, 2)):
        took.append(run([STOKER, "resume", "r", "--quiet"], folder, exit_code=_WAITING))
    return [
        Row(
            measure=f"resume with {count:,} settled steps",
            value=statistics.median(sample.wall for sample in took),
            unit="s",
            cpu=statistics.median(sample.cpu for sample in took),
            peak=statistics.median(sample.peak for sample in took) / 1e6,
        )
    ]


def _settle(count: int, folder: Path) -> None:
    steps: list[dict[str, object]] = [
        {"id": f"s{number}", "command": "/bin/true"} for number in range(count)
    ]
    steps.append({"id": "ask", "step_def": {"type": "approval", "prompt": "go on?"}})
    (folder / "plan.json").write_text(json.dumps({"plan_id": "resume", "steps": steps}))
    argv = [STOKER, "run", "plan.json", "--quiet", "--run-id=r", "--max-concurrency=8"]
    run(argv, folder, exit_code=_WAITING)
