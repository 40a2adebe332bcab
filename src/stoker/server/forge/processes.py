"""Execution processes: what an attempt has run."""

from __future__ import annotations

from litestar.params import FromQuery

from stoker.server.forge import find, process_view
from stoker.server.forge.envelope import Envelope, Failed, get, ok, post
from stoker.server.params import App, Name

_ONE = "/api/execution-processes/{process_id:str}"


@get("/api/execution-processes")
async def listed(
    service: App, task_attempt_id: FromQuery[str], show_soft_deleted: FromQuery[bool] = False
) -> Envelope:
    record = await find.attempt(service, task_attempt_id)
    found = await find.processes(service, record)
    shown = [await process_view.process_with_output(service, one) for one in found]
    return ok([one for one in shown if show_soft_deleted or not one["dropped"]])


@get(_ONE)
async def show(service: App, process_id: Name) -> Envelope:
    found = await find.process(service, process_id)
    return ok(await process_view.process_with_output(service, found))


@post(f"{_ONE}/stop")
async def stop(service: App, process_id: Name) -> Envelope:
    found = await find.process(service, process_id)
    if found.row.finished_at is not None:
        raise Failed("ExecutionProcessError: the process has ended already")
    await service.tasks.turns.stop_step(found.attempt.attempt_id, found.row.step_id)
    return ok()
