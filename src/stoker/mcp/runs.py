"""Tools for plans and their runs."""

from __future__ import annotations

import time
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from stoker.client import api
from stoker.client.client import Client
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.view import RunView
from stoker.mcp.bounds import Bounded, tail
from stoker.mcp.tasks import Seconds, pause
from stoker.mcp.tool import Report, Tools
from stoker.wire.runs import Done, RunPage

TOOLS = Tools()


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


class Approved(OfRun, frozen=True, kw_only=True, forbid_unknown_fields=True):
    step: str
    allowed: bool
    comment: str = ""


_PLAN: Final = ("plan", "path", "cwd")
"""The plan, or the text of a plan file; or a plan file on the server's machine."""

TOOLS.ask(
    "validate_plan",
    api.Plans.validate,
    "Check a plan; nothing runs. All that is wrong is told, with its place.",
    *_PLAN,
    reads=True,
)
TOOLS.ask(
    "run_plan",
    api.Runs.begin,
    "Begin a run of a plan. It is under way when this answers: `wait_for_run` waits for its end.",
    *(*_PLAN, "inputs", "manual"),
)
TOOLS.ask(
    "run_status",
    api.Runs.show,
    "How a run and its steps stand, with their outputs, and what waits for a person.",
    reads=True,
)
TOOLS.ask(
    "next_steps", api.Runs.next, "Release the next steps of a run that was begun with `manual`."
)
TOOLS.ask("resume_run", api.Runs.resume, "Go on with a run that nobody drives.")
TOOLS.ask(
    "cancel_run", api.Runs.cancel, "End a run, its processes and all.", "reason", destroys=True
)


@TOOLS.add(reads=True)
async def list_runs(client: Client, given: Which, report: Report) -> RunPage:
    """Runs, newest first."""
    return await client.runs.list(**asdict(given))


@TOOLS.add(reads=True)
async def wait_for_run(client: Client, given: WaitFor, report: Report) -> RunView:
    """Wait until a run is over or waits for a person, or the time is over."""
    end = time.monotonic() + given.timeout_sec
    while True:
        left = end - time.monotonic()
        view = await client.runs.show(given.run_id, wait_sec=pause(left))
        if view.status in RUN_OVER or _asks(view) or time.monotonic() >= end:
            return view
        over = sum(step.settled_at is not None for step in view.steps)
        await report(given.timeout_sec - left, f"{over} of {len(view.steps)} steps are over")


@TOOLS.add(reads=True)
async def run_log(client: Client, given: OfLog, report: Report) -> Bounded:
    """What an attempt of a step wrote; the end of it, if it is long."""
    written = await client.runs.log(given.run_id, given.step, given.attempt, given.output)
    return tail(written.decode(errors="replace"))


@TOOLS.add(destroys=True)
async def answer_step(client: Client, given: Approved, report: Report) -> Done:
    """Say yes or no to a step that waits for approval."""
    if given.allowed:
        return await client.runs.approve(given.run_id, given.step, comment=given.comment)
    return await client.runs.reject(given.run_id, given.step, comment=given.comment)


def _asks(view: RunView) -> bool:
    """Itself, or in a run that is nested in a step."""
    nested = " waits for approval of "
    return any(one.approval is not None or nested in (one.reason or "") for one in view.steps)
