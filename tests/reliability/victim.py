"""A `stoker` process to be killed, the plan it runs, and what must be true whenever it is dead.

Every step of the plan appends a line to a side file when it starts and one when it ends,
with its attempt's marker: what really happened, to be held against the journal.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from stoker.journal.open import open_journal
from stoker.process.survivors import Scan
from stoker.project import VARIABLE

RUN = "victim"
ADOPTED = ("kept0", "kept1", "inner-kept")

_ACT = """#!/bin/sh
echo "start $STOKER_ATTEMPT" >> {side}
sleep "$1"
shift
[ $# -eq 0 ] || printf '%s\\n' "$@" > "$STOKER_OUTPUT"
echo "end $STOKER_ATTEMPT" >> {side}
"""


def mixed_plan(act: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A plan with something of everything, and the plan nested in it."""

    def step(name: str, seconds: float = 0, *words: str, **more: Any) -> dict[str, Any]:
        args = [str(seconds), *words]
        provides = [word.partition("=")[0] for word in words]
        return {"id": name, "command": act, "args": args, "provides": provides, **more}

    daemon = "setsid sh -c 'sleep 300 & sleep 300' >/dev/null 2>&1 &"
    alone = "exec 9>>lock; flock -n 9 || echo 'overlap' >> side; "
    inner = {
        "plan_id": "inner",
        "steps": [
            step("inner-quick", 0, "deep=treasure"),
            step("inner-slow", 0.1, depends_on=["inner-quick"]),
            step("inner-kept", 0.15, on_interrupt="adopt"),
            {"id": "inner-daemon", "run": f"{act} 0; {daemon}"},
        ],
    }
    again = f"{act} 0.02; test $(grep -c 'end .*/again/' side) -ge 3"
    found = 'printf \'{"found": ["x", "y", "z"]}\' > $STOKER_OUTPUT'
    added = json.dumps([step("added", 0.02, depends_on=["extends"])])
    gather = 'echo "$STOKER_INPUT_FOUND $STOKER_INPUT_A $STOKER_INPUT_EACH $STOKER_INPUT_KEPT'
    gather += ' $STOKER_INPUT_DEEP" > result'
    steps = [
        step("quick0", 0, "a=alpha"),
        step("quick1", 0, depends_on=["quick0"]),
        step("quick2", 0, depends_on=["quick1"]),
        step("slow0", 0.3),
        step("slow1", 0.1, depends_on=["quick0"]),
        {"id": "again", "run": again, "retries": 9, "retry": {"delay_sec": 0.01}},
        {"id": "bad", "run": f"{act} 0; exit 3", "on_failure": "continue", "critical": False},
        {"id": "find", "run": f"{act} 0; {found}", "provides": ["found"]},
        step(
            "each",
            0.02,
            "each=${{ item }}!",
            foreach="prev.find.outputs.found",
            depends_on=["find"],
        ),
        *({"id": f"alone{n}", "run": f"{alone}{act} 0.03", "locks": ["L"]} for n in range(3)),
        step("kept0", 0.6, "kept=safe", on_interrupt="adopt"),
        step("kept1", 0.05, on_interrupt="adopt", depends_on=["quick2"]),
        {"id": "daemon", "run": f"{act} 0.05; {daemon}"},
        {"id": "extends", "run": f"{act} 0; echo '{added}' > $STOKER_EXTEND"},
        {"id": "nested", "step_def": {"type": "plan", "path": "inner.json"}, "provides": ["deep"]},
        {
            "id": "gather",
            "run": f"{act} 0; {gather}",
            "consumes": ["a", "found", "each", "kept", "deep"],
            "depends_on": ["alone0", "alone1", "alone2", "daemon", "again", "bad", "slow1"],
        },
    ]
    return {"plan_id": "mixed", "globals": {"max_concurrency": 4}, "steps": steps}, inner


RESULT = '["x","y","z"] alpha ["x!","y!","z!"] safe treasure'


def wait_for(condition: Callable[[], bool]) -> None:
    """Until something that another process does is there to see."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


class Victim:
    """Runs in `directory`; every `stoker` process in it belongs to the one run. `db`: URL of
    its journal; default: the directory's own."""

    def __init__(self, directory: Path, plan: dict[str, Any] | None = None, db: str = "") -> None:
        self.directory = directory
        self.db = db
        self.side = directory / "side"
        self.side.touch()
        self.act = directory / "act"
        self.act.write_text(_ACT.format(side=self.side))
        self.act.chmod(0o755)
        mixed, inner = mixed_plan(str(self.act))
        (directory / "inner.json").write_text(json.dumps(inner))
        (directory / "plan.json").write_text(json.dumps(plan or mixed))
        self.journal = directory / ".stoker" / "journal.db"
        self._settled: Counter[tuple[str, str]] = Counter()
        """Starts of settled steps, as of when they were first seen settled."""

    def launch(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Begin the run, or go on with it."""
        if not words:
            words = ("resume", RUN) if self.stored() else ("run", "plan.json", "--run-id", RUN)
            words += ("--json",)
        return subprocess.Popen(
            [sys.executable, "-m", "stoker", *words],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, VARIABLE: self.db}

    def live_for(self, seconds: float, *expected: int, begun: bool = False) -> int | None:
        """Let the engine live so long, or so long from its first commit (`begun`); returns its
        exit status if it came to its end."""
        engine = self.launch()
        assert engine.stdout is not None
        if begun:
            engine.stdout.readline()
        try:
            out, _ = engine.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            engine.kill()
            engine.communicate()
            return None
        assert engine.returncode in (0, 3, *expected), f"exit status {engine.returncode}: {out}"
        return engine.returncode

    def finish(self, *expected: int) -> int:
        """Go on to the end; returns the exit status, which is 0, 3 or one of `expected`."""
        status = self.live_for(60, *expected)
        assert status is not None, f"the run hangs: {self.open_steps()}"
        return status

    # What the journal says.

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        if self.db:
            return asyncio.run(self._served(sql))
        if not self.journal.exists():
            return []
        database = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)
        try:
            return database.execute(sql).fetchall()
        except sqlite3.OperationalError:  # killed before it had made its tables
            return []
        finally:
            database.close()

    def change(self, sql: str) -> None:
        """What no engine would write."""
        if self.db:
            asyncio.run(self._served(sql))
            return
        database = sqlite3.connect(self.journal)
        with database:
            database.execute(sql)
        database.close()

    async def _served(self, sql: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.db)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        except asyncpg.UndefinedTableError:
            return []
        finally:
            await connection.close()

    def stored(self) -> bool:
        return bool(self.query(f"SELECT 1 FROM runs WHERE run_id = '{RUN}'"))

    def over(self) -> bool:
        return bool(self.query(f"SELECT 1 FROM runs WHERE run_id = '{RUN}' AND finished_at > 0"))

    def settlements(self) -> dict[tuple[str, str], str]:
        """Status by run and step, of steps that settled for good."""
        rows = self.query(
            "SELECT run_id, step_id, data FROM run_events "
            "WHERE type = 'step.settled' ORDER BY sequence"
        )
        found = {(run, step): json.loads(data)["status"] for run, step, data in rows}
        return {key: status for key, status in found.items() if status != "quarantined"}

    def open_steps(self) -> list[tuple[Any, ...]]:
        return self.query(
            "SELECT step_id, attempt, status FROM step_attempts "
            "WHERE status IN ('starting', 'running')"
        )

    # What really happened.

    def lines(self, what: str) -> list[tuple[str, str, int]]:
        """Run, step and attempt of the side file's `start` or `end` lines, in order."""
        return [(run, step, number) for word, run, step, number in self._told() if word == what]

    def _told(self) -> Iterator[tuple[str, str, str, int]]:
        for line in self.side.read_text().splitlines():
            assert line != "overlap", "two steps held one lock"
            word, marker = line.split()
            _, run, step, number = marker.rsplit("/", 3)
            yield word, run, step, int(number)

    # What must be true.

    def verify(self) -> None:
        """At any time when no engine lives."""
        if self.stored():
            assert asyncio.run(self._problems()) == []
        attempts = set(
            self.query(
                "SELECT run_id, step_id, attempt FROM run_events WHERE type = 'attempt.starting'"
            )
        )
        starts, ends = self.lines("start"), self.lines("end")
        assert len(set(starts)) == len(starts), "an attempt ran twice"
        assert set(starts) <= attempts, "a process ran that the journal did not know of"
        newest: dict[tuple[str, str], int] = {}
        for _, run, step, number in self._told():
            assert number >= newest.get((run, step), 0), f"{step} ran again beside what was left"
            newest[run, step] = number
        counts = Counter((run, step) for run, step, _ in starts)
        settled = self.settlements()
        for key, started in self._settled.items():
            assert key in settled, f"the settlement of {key} was lost"
            assert counts[key] == started, f"{key} ran again after it had settled"
        for key, status in settled.items():
            self._settled[key] = counts[key]
            if status == "succeeded" and counts[key]:
                assert any(key == (run, step) for run, step, _ in ends), f"{key} never ended"

    async def _problems(self) -> list[str]:
        journal = await open_journal(self.db or self.journal)
        try:
            return await journal.check()
        finally:
            await journal.close()

    def verify_succeeded(self) -> None:
        """Once the mixed plan is over."""
        self.verify()
        assert self.query(f"SELECT status FROM runs WHERE run_id = '{RUN}'") == [("succeeded",)]
        failed = {
            key: status for key, status in self.settlements().items() if status != "succeeded"
        }
        assert failed == {(RUN, "bad"): "failed"}
        assert self.settlements()[RUN, "added"] == "succeeded"
        assert (self.directory / "result").read_text().strip() == RESULT
        for what in ("start", "end"):
            counts = Counter(step for _, step, _ in self.lines(what))
            assert {counts[name] for name in ADOPTED} == {1}, f"{what} of adopted steps"
        assert self.processes() == []

    def processes(self) -> list[tuple[int, str]]:
        """Live processes of the run."""
        from stoker.engine.attempt import realm

        prefix = realm(self.journal.parent)
        return [(one.pid, one.marker) for one in Scan() if one.marker.startswith(prefix)]

    def close(self) -> None:
        """Leave nothing behind, also when a test failed."""
        for pid, _ in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
