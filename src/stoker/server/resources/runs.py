"""Runs: begun, listed, looked at, deleted."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import delete, get, post
from litestar.params import FromQuery, QueryParameter
from litestar.response import Response
from litestar.status_codes import HTTP_201_CREATED

from stoker.engine.options import RunOptions
from stoker.engine.view import RunView, read_run, view
from stoker.journal.base import RunRow
from stoker.journal.events import RunStatus
from stoker.plan.errors import PlanError
from stoker.server import paging
from stoker.server.params import App, Asked, Key, Name, WaitSec, sent
from stoker.server.problems import invalid_plan
from stoker.server.resources.plans import EXAMPLE, above, load
from stoker.server.service import Service
from stoker.wire.runs import RunPage, RunRequest, summary

TAG = "runs"


@post(
    "/v1/runs",
    status_code=HTTP_201_CREATED,
    summary="Begin a run",
    description="With an `Idempotency-Key` the request may be sent again: it begins one run, also "
    "after a crash of the server. 200 instead of 201: an earlier request began it.",
)
async def begin(
    service: App,
    request: Asked,
    data: Annotated[RunRequest, sent("a plan", plan=EXAMPLE, inputs={"name": "you"})],
    key: Key = None,
) -> Response[RunView]:
    token = request.scope["state"]["token"]
    sent = None if key is None else service.request(data, f"{token.id} {key}", data.run_id)
    if sent is not None and await service.begun(sent):
        return await _begun(service, sent.run_id, 200)
    try:
        loaded, cwd = await load(service, request, data)
    except PlanError as error:
        raise invalid_plan(error.problems, above(data)) from None
    options = RunOptions(
        cwd=cwd,
        plan_dir=loaded.directory,
        max_concurrency=data.max_concurrency,
        manual=data.manual,
    )
    run_id, new = await service.start(
        loaded, inputs=data.inputs, options=options, run_id=data.run_id, sent=sent
    )
    return await _begun(service, run_id, 201 if new else 200)


async def _begun(service: Service, run_id: str, status: int) -> Response[RunView]:
    return Response(
        view(await read_run(service.journal, run_id)),
        status_code=status,
        headers={"Location": f"/v1/runs/{run_id}"},
    )


@get("/v1/runs", summary="Runs, newest first")
async def listed(
    service: App,
    status: FromQuery[list[RunStatus] | None] = None,
    plan_id: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 50,
    cursor: FromQuery[str | None] = None,
) -> RunPage:
    before = paging.read_cursor(cursor)
    rows = await service.journal.runs(
        limit=limit + 1, plan_id=plan_id, status=status or None, before=before
    )
    page = rows[:limit]
    return RunPage(
        runs=[summary(row) for row in page],
        next_cursor=_place(page[-1]) if len(rows) > limit else None,
    )


@get(
    "/v1/runs/{run_id:str}",
    summary="One run: the document of `stoker show --json`",
    description="With `wait_sec` it is answered when the run is over or waits for a person, itself "
    "or in a run nested in it, and after that time at the latest.",
)
async def show(
    service: App,
    run_id: Name,
    wait_sec: WaitSec = 0,
    known: paging.Known = None,
) -> Response[RunView]:
    if wait_sec:
        await service.unless_stopping(service.at_rest(run_id), wait_sec)
    return paging.tagged(view(await read_run(service.journal, run_id)), known)


@delete(
    "/v1/runs/{run_id:str}",
    opt={"scope": "admin"},
    summary="Forget a run that is over, with its logs and outputs",
)
async def remove(service: App, run_id: Name) -> None:
    await service.delete(run_id)


def document(paths: dict[str, Any]) -> None:
    """Answers beside the usual ones."""
    begun = paths["/v1/runs"]["post"]["responses"]
    begun["200"] = {**begun["201"], "description": "An earlier request began it"}


def _place(row: RunRow) -> str:
    return paging.cursor(row.created_at, row.run_id)
