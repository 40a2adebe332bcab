"""What a transition costs in the journal, beside bare sqlite3 writing the same rows.

    python benchmarks/journal.py [--transitions N] [--postgres URL]

A transition is one event and the change it makes to `step_attempts`. Medians of interleaved
rounds, in microseconds; the ratio is to the bare floor of the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from stoker.journal.base import NewRun
from stoker.journal.events import Event
from stoker.journal.identity import current_engine
from stoker.journal.migrate import pending
from stoker.journal.open import open_journal

ROUNDS = 5
Durability = str
Batches = list[list[Event]]


def batches(run_id: str, transitions: int, group: int) -> Batches:
    """Starts and ends of steps, `group` transitions a batch: what starts in one batch ends in
    the next, as it does in the engine."""
    events: list[Event] = []
    half = max(group // 2, 1)
    for step in range(0, transitions // 2, half):
        steps = range(step, min(step + half, transitions // 2))
        for kind, data in (
            ("attempt.starting", {"kind": "command", "tool": "true", "on_failure": "abort"}),
            ("attempt.settled", {"status": "succeeded", "exit_code": 0, "outputs": {}}),
        ):
            for number in steps:
                paths = {
                    f"{end}_path": f"/state/runs/{run_id}/s{number}.1.{end}"
                    for end in ("stdout", "stderr")
                }
                events.append(
                    Event(
                        run_id,
                        len(events) + 1,
                        kind,
                        time.time(),
                        f"s{number:06d}",
                        1,
                        data | paths if kind == "attempt.starting" else data,
                    )
                )
    return [events[n : n + group] for n in range(0, len(events), group)]


def bare(folder: Path, work: Batches, durability: Durability) -> float:
    """The floor: the same rows, ready made, into the same tables; seconds."""
    db = sqlite3.connect(folder / f"{uuid.uuid4().hex}.db", isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 4000")
    db.executescript(pending("sqlite", 0, "")[0][1])
    db.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
    run_id = work[0][0].run_id
    db.execute(
        "INSERT INTO runs (run_id, plan_digest, plan_id, plan_version, inputs, options, created_at)"
        "VALUES (?, '', '', '', '{}', '{}', 0)",
        (run_id,),
    )
    ready = []
    for batch in work:
        encoded = [
            (run_id, e.sequence, e.step, 1, e.type, e.time, msgspec.json.encode(e.data).decode())
            for e in batch
        ]
        started = [
            (run_id, e.step, e.time, e.data["stdout_path"], e.data["stderr_path"])
            for e in batch
            if e.type == "attempt.starting"
        ]
        ended = [(e.time, run_id, e.step) for e in batch if e.type == "attempt.settled"]
        ready.append((batch[-1].sequence, encoded, started, ended))
    begin = time.perf_counter()
    for last, encoded, started, ended in ready:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE runs SET last_sequence = ? WHERE run_id = ?", (last, run_id))
        db.executemany("INSERT INTO run_events VALUES (?, ?, ?, ?, ?, ?, ?)", encoded)
        if started:
            db.executemany(
                "INSERT INTO step_attempts (run_id, step_id, attempt, status, kind, tool, "
                "retries_attempted, on_failure, provides, consumes, started_at, stdout_path, "
                "stderr_path) VALUES (?, ?, 1, 'starting', 'command', 'true', 0, 'abort', '[]', "
                "'[]', ?, ?, ?)",
                started,
            )
        if ended:
            db.executemany(
                "UPDATE step_attempts SET status = 'succeeded', exit_code = 0, finished_at = ? "
                "WHERE run_id = ? AND step_id = ? AND attempt = 1",
                ended,
            )
        db.execute("COMMIT")
    took = time.perf_counter() - begin
    db.close()
    return took


async def journal(location: str, work: Batches, durability: Any) -> float:
    """The journal itself; seconds."""
    opened = await open_journal(location, durability=durability)
    run_id = work[0][0].run_id
    await opened.create_run(
        NewRun(run_id=run_id, plan_id="p", plan_version="1", plan_description="", plan_json=b"{}")
    )
    lease = await opened.acquire(run_id, current_engine())
    begin = time.perf_counter()
    for batch in work:
        await opened.commit(lease, batch)
    took = time.perf_counter() - begin
    await opened.release(lease)
    await opened.close()
    return took


def measure(transitions: int, group: int, rivals: dict[str, Callable[[Batches], float]]) -> None:
    """Print one line per rival; the first is the floor of the ratios."""
    rounds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(ROUNDS):
        work = batches(uuid.uuid4().hex, transitions, group)
        for name, run in rivals.items():
            rounds[name].append(run(work) / transitions * 1e6)
    floor = next(iter(rounds.values()))
    for name, taken in rounds.items():
        ratio = statistics.median(mine / least for mine, least in zip(taken, floor, strict=True))
        print(f"{group:>5}  {name:<28} {statistics.median(taken):>9.1f} {ratio:>7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transitions", type=int, default=20_000)
    parser.add_argument("--postgres", metavar="URL", help="measure that journal too")
    options = parser.parse_args()

    def run(coroutine: Coroutine[Any, Any, float]) -> float:
        return asyncio.run(coroutine)

    print(f"{'group':>5}  {'':<28} {'us each':>9} {'ratio':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for durability in ("process", "power"):
            for group in (1, 100):
                transitions = options.transitions if group > 1 else options.transitions // 10
                rivals: dict[str, Callable[[Batches], float]] = {
                    f"bare sqlite3, {durability}": lambda w, d=durability: bare(folder, w, d),
                    f"journal, {durability}": lambda w, d=durability: run(
                        journal(str(folder / f"{uuid.uuid4().hex}.db"), w, d)
                    ),
                }
                if options.postgres:
                    rivals[f"postgres, {durability}"] = lambda w, d=durability: run(
                        journal(options.postgres, w, d)
                    )
                measure(transitions, group, rivals)


if __name__ == "__main__":
    main()
