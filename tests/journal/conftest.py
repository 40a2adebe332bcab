"""What the tests of both databases need."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from stoker.journal.base import EngineIdentity, Lease, NewRun
from stoker.journal.events import Event
from stoker.journal.identity import current_engine


@pytest.fixture
def other_process() -> Iterator[tuple[EngineIdentity, subprocess.Popen[str]]]:
    """The identity of an engine in another, living process; kill it to make it dead."""
    script = (
        "import msgspec, sys; from stoker.journal.identity import current_engine;"
        "print(msgspec.json.encode(current_engine()).decode(), flush=True); sys.stdin.read()"
    )
    import msgspec

    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    yield msgspec.json.decode(line, type=EngineIdentity), process
    process.kill()
    process.communicate()


@pytest.fixture
def dead_engine(other_process) -> EngineIdentity:
    identity, process = other_process
    process.kill()
    process.wait()
    return identity


@pytest.fixture
def make():
    return Make


class Make:
    """Things of the contract with the fields a test does not care about filled in."""

    @staticmethod
    def run(run_id: str = "r1", **fields: Any) -> NewRun:
        values = {
            "plan_id": "p",
            "plan_version": "1",
            "plan_description": "",
            "plan_json": b'{"plan_id":"p"}',
        }
        return NewRun(run_id=run_id, **(values | fields))

    @staticmethod
    def event(sequence: int, type: str, *, run_id: str = "r1", **fields: Any) -> Event:
        return Event(run_id=run_id, sequence=sequence, type=type, time=1e9 + sequence, **fields)

    @classmethod
    def attempt(cls, sequence: int, type: str, step: str = "s", attempt: int = 1, **data: Any):
        return cls.event(sequence, f"attempt.{type}", step=step, attempt=attempt, data=data)

    @classmethod
    async def leased(cls, journal, run_id: str = "r1", engine=None) -> Lease:
        await journal.create_run(cls.run(run_id))
        return await journal.acquire(run_id, engine or current_engine())
