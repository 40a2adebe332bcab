"""Running plans for real: SQLite, processes, the engine."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.options import RunOptions
from stoker.engine.run import Outcome
from stoker.journal.base import AttemptRow
from stoker.journal.events import Event
from stoker.journal.open import open_journal
from stoker.plan.model import Plan
from stoker.steps.registry import kinds


class Finished(msgspec.Struct):
    """A run that is over, and all that is known of it."""

    outcome: Outcome
    events: list[Event]
    attempts: list[AttemptRow]
    statuses: dict[str, str]
    reasons: dict[str, str | None]
    outputs: dict[str, dict]
    directory: Path

    def stdout(self, step: str) -> str:
        rows = [row for row in self.attempts if row.step_id == step]
        return Path(rows[-1].stdout_path).read_text()

    def types(self, step: str | None = None) -> list[str]:
        return [event.type for event in self.events if step in (None, event.step)]


Act = Callable[[RunHandle], Awaitable[None]]


def driven(state: Path, scenario, more_kinds=(), **options):
    """What `scenario(engine, journal)` returns, with an engine on `state` that is closed then."""

    async def main():
        state.mkdir(exist_ok=True)
        journal = await open_journal(state / "journal.db")
        known = {**kinds(), **{kind.name: kind for kind in more_kinds}}
        try:
            async with Engine(journal, state, known, **options) as engine:
                return await scenario(engine, journal)
        finally:
            await journal.close()

    return asyncio.run(asyncio.wait_for(main(), 60))


@pytest.fixture
def state(tmp_path) -> Path:
    """The state directory of `drive`."""
    return tmp_path / "state"


@pytest.fixture
def drive(state):
    """`drive(scenario, more_kinds=(), **engine_options)`: see `driven`."""
    return partial(driven, state)


@pytest.fixture
def options(tmp_path) -> RunOptions:
    return RunOptions(cwd=str(tmp_path))


@pytest.fixture
def execute(tmp_path):
    """`execute(steps, act=None, **plan)`: run a plan, with `act(handle)` beside it."""
    counter = iter(range(1000))

    def run(steps: list[dict], act: Act | None = None, **more) -> Finished:
        inputs = more.pop("given", None)
        options = RunOptions(cwd=str(tmp_path), **more.pop("options", {}))
        engine_options = more.pop("engine", {})
        park = more.pop("park", True)
        plan = msgspec.convert({"plan_id": "p", "steps": steps, **more}, Plan)
        directory = tmp_path / f"state{next(counter)}"

        async def scenario(engine: Engine, journal) -> Finished:
            handle = await engine.start(plan, inputs=inputs, options=options, park=park)
            if act is not None:
                await act(handle)
            outcome = await handle.wait()
            steps = handle.state.steps
            return Finished(
                outcome,
                await journal.events(handle.run_id),
                await journal.attempts(handle.run_id),
                {step.step.id: step.status for step in steps},
                {step.step.id: step.reason for step in steps},
                {step.step.id: step.outputs for step in steps},
                directory,
            )

        return driven(directory, scenario, **engine_options)

    return run


async def until(handle: RunHandle, type_: str, step: str | None = None) -> Event:
    """Wait for an event of a run."""
    async for event in handle.events():
        if event.type == type_ and step in (None, event.step):
            return event
    raise AssertionError(f"the run ended without {type_} of {step}")


@pytest.fixture(name="until")
def until_fixture():
    return until


@pytest.fixture
def alive():
    """Whether a process runs; a zombie does not."""

    def check(pid: int) -> bool:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return False
        return stat.rpartition(")")[2].split()[0] not in "ZX"

    return check
