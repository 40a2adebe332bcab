"""Attempts of many tasks, and what agents ask in all of them."""

from __future__ import annotations

from litestar import get
from litestar.params import FromQuery
from litestar.response import Response

from stoker.server import paging
from stoker.server.params import App
from stoker.tasks import listing
from stoker.tasks.asking import asked
from stoker.wire.attempts import Asking, AttemptPage

TAG = "attempts"


@get("/v1/attempts", summary="Attempts, newest first")
async def listed(
    service: App,
    project_id: FromQuery[str | None] = None,
    task_id: FromQuery[str | None] = None,
    active: FromQuery[bool | None] = None,
    limit: paging.Limit = 100,
    cursor: FromQuery[str | None] = None,
    known: paging.Known = None,
) -> Response[AttemptPage]:
    found = await listing.attempts(
        service.engine,
        project_id=project_id,
        task_id=task_id,
        active=active,
        limit=limit + 1,
        before=paging.read_cursor(cursor),
    )
    last = found[limit - 1].attempt if len(found) > limit else None
    page = AttemptPage(
        attempts=found[:limit],
        next_cursor=None if last is None else paging.cursor(last.created_at, last.attempt_id),
    )
    return paging.tagged(page, known)


@get("/v1/approvals", summary="What agents wait to be allowed")
async def approvals(service: App) -> Asking:
    return Asking(await asked(service.tasks))
