"""What a transition costs in the journal, beside bare SQLite."""

from __future__ import annotations

import asyncio
import statistics
import uuid

from benchmarks import journal
from benchmarks.measure import Bench
from benchmarks.table import Row


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """One transition a commit and 100, in both durability modes; see `benchmarks.journal`."""
    rows = []
    for durability in ("process", "power"):
        for group in (1, 100):
            transitions = 200 if quick else 2_000 * (1 if group == 1 else 10)
            folder = bench.fresh()
            bare, ours = [], []
            for _ in range(bench.rounds):
                work = journal.batches(uuid.uuid4().hex, transitions, group)
                bare.append(journal.bare(folder, work, durability) / transitions * 1e6)
                path = str(folder / f"{uuid.uuid4().hex}.db")
                took = asyncio.run(journal.journal(path, work, durability))
                ours.append(took / transitions * 1e6)
            label = f"journal transition, {durability}, groups of {group}"
            value, floor = statistics.median(ours), statistics.median(bare)
            ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
            rows.append(Row(measure=label, who="bare sqlite3", value=floor, unit="us"))
            rows.append(Row(measure=label, value=value, unit="us", floor=ratio))
    return rows
