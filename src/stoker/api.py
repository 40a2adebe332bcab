"""Stoker from Python: build or load a plan, run it, follow it. `import stoker` shows all this.

plan = stoker.build("release", steps=[
    stoker.Step(id="test", run="make test"),
    stoker.Step(id="publish", command="make", args=("publish",), depends_on=("test",)),
])

result = stoker.run(plan)                       # from a script
print(result.status, result.outputs)

async with stoker.open_engine() as engine:      # from a program with an event loop
    run = await engine.run(plan)
    async for event in run.events():
        print(event.type, event.step)
    outcome = await run.wait()
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from stoker.engine.engine import Engine
from stoker.engine.handle import RunHandle
from stoker.engine.options import RunOptions
from stoker.journal.open import open_journal
from stoker.plan import loader
from stoker.plan.decode import decode
from stoker.plan.errors import PlanError
from stoker.plan.graph import Graph
from stoker.plan.model import Plan, Step
from stoker.plan.validate import validate
from stoker.project import locate
from stoker.steps.registry import kinds
from stoker.telemetry import observers

if TYPE_CHECKING:
    from stoker.engine.run import Outcome
    from stoker.engine.state import RunState
    from stoker.journal.base import Durability
    from stoker.journal.events import Event, StepStatus


class StepResult(Struct, frozen=True, kw_only=True):
    """How one step of a run stands."""

    status: StepStatus
    reason: str | None
    """Why it failed, was skipped or waits."""
    exit_code: int | None
    """Of its last attempt, where that was a process."""
    attempts: int
    outputs: Mapping[str, Any]


class RunResult(Struct, frozen=True, kw_only=True):
    """How a run stands when nothing more happens to it here."""

    run_id: str
    status: Literal["succeeded", "failed", "canceled", "quarantined", "waiting", "suspended"]
    """`waiting`: for a person; go on with `Engine.resume`."""
    reason: str | None
    outputs: Mapping[str, Any]
    """By name, what its steps promised (`provides`) and gave."""
    steps: Mapping[str, StepResult]
    """By id."""

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"


def load(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] = "",
) -> Plan:
    """The plan in a JSON or YAML file. `variables` replace `${NAME}`. Raises `PlanError` with
    every problem of the file and of the plan files its steps run, which are looked for from
    `cwd` (default: the current directory)."""
    return loader.load(path, kinds=kinds(), variables=variables, cwd=cwd).plan


def loads(text: str | bytes, *, variables: Mapping[str, str] | None = None) -> Plan:
    """Like `load`, from JSON or YAML text."""
    return loader.loads(text, kinds=kinds(), variables=variables).plan


def build(plan_id: str, *, steps: Iterable[Step | Mapping[str, Any]], **fields: Any) -> Plan:
    """A plan made in Python. `fields` are the other fields of a plan file (`inputs`,
    `globals`, ...), as structs or plain maps. Raises `PlanError` with every problem."""
    return checked({"plan_id": plan_id, "steps": list(steps), **fields})


def checked(plan: Any) -> Plan:
    """The plan, or what is to be one, validated. Raises `PlanError` with every problem."""
    decoded = decode(msgspec.to_builtins(plan))
    problems = list(decoded.problems)
    if decoded.plan is not None:
        found = validate(decoded.plan, kinds(), graph=Graph.build(decoded.plan.steps))
        problems += decoded.independent(found)
    if decoded.plan is None or any(problem.severity == "error" for problem in problems):
        raise PlanError(problems)
    return decoded.plan


@asynccontextmanager
async def open_engine(
    db: str | os.PathLike[str] | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    durability: Durability = "process",
    max_concurrency: int | None = None,
    resources: Mapping[str, float | str] | None = None,
    on_run: Callable[[RunHandle], None] | None = None,
    otlp: str | None = None,
) -> AsyncIterator[Engine]:
    """An engine on a journal of its own or of a project.

    `db`: path or URL of the journal; default: `$STOKER_DB`, else the project's, as for the
    command line. `directory`: where logs and outputs go; default: beside the journal.
    `max_concurrency` bounds the steps of all runs together, `resources` gives capacities of
    named resources. `on_run` is called with every run that begins or goes on here, nested ones
    too, to follow its events. `otlp`: where traces and metrics are sent (extra `otel`); default:
    where `$OTEL_EXPORTER_OTLP_ENDPOINT` says, if it does. Leaving suspends the runs that are not
    over. Raises `JournalError`.
    """
    place = locate(db)
    place.create()
    journal = await open_journal(place.location, durability=durability)
    try:
        state = place.directory if directory is None else Path(directory)
        told = [lambda _: nullcontext(on_run)] if on_run is not None else []
        async with Engine(
            journal,
            state,
            kinds(),
            max_concurrency=max_concurrency,
            resources=resources,
            observers=(*told, *observers(otlp)),
        ) as engine:
            yield engine
    finally:
        await journal.close()


def run(
    plan: Plan | str | os.PathLike[str],
    inputs: Mapping[str, Any] | None = None,
    *,
    db: str | os.PathLike[str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    max_concurrency: int | None = None,
    run_id: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> RunResult:
    """Run a plan, or the plan in a file, to its end; for scripts without an event loop.

    `cwd`: where relative paths of the plan start from (default: the current directory).
    `on_event` is called with each event as it happens. Raises `PlanError` before anything
    runs, `JournalError`, and `RuntimeError` if an event loop runs already (use
    `open_engine` there). A run that fails raises nothing: look at the result's `status`.
    """
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError(
            "stoker.run() needs a thread without a running event loop: in a program that has "
            "one, use `async with stoker.open_engine() as engine` and `await engine.run(plan)`"
        )
    if isinstance(plan, Plan):
        whole, plan_dir = checked(plan), None
    else:
        loaded = loader.load(plan, kinds=kinds(), cwd=cwd or "")
        whole, plan_dir = loaded.plan, loaded.directory
    options = RunOptions(
        cwd=str(Path(cwd or ".").absolute()), plan_dir=plan_dir, max_concurrency=max_concurrency
    )

    async def go() -> RunResult:
        async with open_engine(db) as engine:
            handle = await engine.start(whole, inputs=inputs, options=options, run_id=run_id)
            if on_event is not None:
                async for event in handle.events():
                    on_event(event)
            return await finish(handle)

    return asyncio.run(go())


async def finish(handle: RunHandle) -> RunResult:
    """Wait for a run; its result. Raises `JournalError` if the engine could not go on."""
    return result(await handle.wait(), handle.state)


def result(outcome: Outcome, state: RunState) -> RunResult:
    """An outcome together with what the steps left."""
    return RunResult(
        run_id=outcome.run_id,
        status=outcome.status,
        reason=outcome.reason,
        outputs={
            name: step.outputs[name]
            for step in state.steps
            for name in step.step.provides
            if name in step.outputs
        },
        steps={
            step.step.id: StepResult(
                status=step.status,  # type: ignore[arg-type] # a step's status, kept as text
                reason=step.reason,
                exit_code=step.exit_code,
                attempts=step.number,
                outputs=step.outputs,
            )
            for step in state.steps
        },
    )
