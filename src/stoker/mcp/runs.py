"""Tools for plans and their runs."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import asdict

from stoker.client.client import Client
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.view import RunView
from stoker.mcp.bounds import Bounded, tail
from stoker.mcp.tasks import Seconds
from stoker.mcp.tool import Report, Tools
from stoker.wire.plans import Validation
from stoker.wire.runs import Done, RunPage

TOOLS = Tools()


class PlanGiven(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plan: dict[str, Any] | str | None = None
    """The plan, or the text of a plan file (JSON or YAML)."""
    path: str | None = None
    """Or a plan file on the server's machine."""
    cwd: str = "."
    """Where relative paths of the plan start from."""


class PlanToRun(PlanGiven, frozen=True, kw_only=True, forbid_unknown_fields=True):
    inputs: dict[str, Any] = field(default_factory=dict)
    manual: bool = False
    """Start only what `next_steps` releases."""


class OfRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    run_id: str


class Which(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plan_id: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: str | None = None


class OfLog(OfRun, frozen=True, kw_only=True, forbid_unknown_fields=True):
    step: str
    attempt: int = 1
    output: Literal["stdout", "stderr"] = "stdout"


class WaitFor(OfRun, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timeout_sec: Seconds = 300


class Ended(OfRun, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: str | None = None


class Approved(OfRun, frozen=True, kw_only=True, forbid_unknown_fields=True):
    step: str
    allowed: bool
    comment: str = ""


@TOOLS.add(reads=True)
async def validate_plan(client: Client, given: PlanGiven, report: Report) -> Validation:
    """Check a plan; nothing runs. All that is wrong is told, with its place."""
    return await client.plans.validate(**asdict(given))


@TOOLS.add()
async def run_plan(client: Client, given: PlanToRun, report: Report) -> RunView:
    """Begin a run of a plan. It is under way when this answers: `wait_for_run` waits for its
    end."""
    return await client.runs.begin(**asdict(given))


@TOOLS.add(reads=True)
async def list_runs(client: Client, given: Which, report: Report) -> RunPage:
    """Runs, newest first."""
    return await client.runs.list(**asdict(given))


@TOOLS.add(reads=True)
async def run_status(client: Client, given: OfRun, report: Report) -> RunView:
    """How a run and its steps stand, with their outputs, and what waits for a person."""
    return await client.runs.show(given.run_id)


@TOOLS.add(reads=True)
async def wait_for_run(client: Client, given: WaitFor, report: Report) -> RunView:
    """Wait until a run is over or waits for a person, or the time is over."""
    began = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(given.timeout_sec):
            view = await client.runs.show(given.run_id)
            if view.status in RUN_OVER or _asks(view):
                return view
            async for event in client.runs.events(given.run_id, after=view.last_sequence):
                if event.step is not None:
                    said = f"{event.step}: {event.type}"
                    await report(time.monotonic() - began, said)
                if event.type == "approval.requested":
                    break
    return await client.runs.show(given.run_id)


@TOOLS.add(reads=True)
async def run_log(client: Client, given: OfLog, report: Report) -> Bounded:
    """What an attempt of a step wrote; the end of it, if it is long."""
    written = await client.runs.log(given.run_id, given.step, given.attempt, given.output)
    return tail(written.decode(errors="replace"))


@TOOLS.add()
async def next_steps(client: Client, given: OfRun, report: Report) -> Done:
    """Release the next steps of a run that was begun with `manual`."""
    return await client.runs.next(given.run_id)


@TOOLS.add()
async def resume_run(client: Client, given: OfRun, report: Report) -> Done:
    """Go on with a run that nobody drives."""
    return await client.runs.resume(given.run_id)


@TOOLS.add(destroys=True)
async def answer_step(client: Client, given: Approved, report: Report) -> Done:
    """Say yes or no to a step that waits for approval."""
    if given.allowed:
        return await client.runs.approve(given.run_id, given.step, comment=given.comment)
    return await client.runs.reject(given.run_id, given.step, comment=given.comment)


@TOOLS.add(destroys=True)
async def cancel_run(client: Client, given: Ended, report: Report) -> Done:
    """End a run, its processes and all."""
    return await client.runs.cancel(given.run_id, reason=given.reason)


def _asks(view: RunView) -> bool:
    return any(step.approval is not None for step in view.steps)
