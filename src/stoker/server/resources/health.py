"""Whether the server lives and works, and its numbers."""

from __future__ import annotations

import time

from litestar import get
from litestar.response import Response

from stoker.engine.engine import processors
from stoker.engine.stats import PlanStats, RunStats, plan_stats, run_stats
from stoker.engine.view import read_run
from stoker.server.meters import CONTENT_TYPE
from stoker.server.params import App, Name
from stoker.server.problems import Refused, not_found
from stoker.wire.server import Health, ServerStats

_SLOWEST = 10
_PAST_RUNS = 20


@get("/healthz", tags=["server"], sync_to_thread=False, summary="The process is alive")
def healthz() -> Health:
    return Health()


@get("/readyz", tags=["server"], summary="The journal answers, and the server is not stopping")
async def readyz(service: App) -> Health:
    if service.stopping.is_set():
        raise Refused(503, "stopping", "the server is about to stop")
    await service.journal.runs(limit=1)
    return Health()


@get(
    "/metrics",
    tags=["server"],
    media_type="text/plain",
    sync_to_thread=False,
    summary="Numbers for Prometheus",
)
def metrics(service: App) -> Response[bytes]:
    return Response(service.meters.exposition(), media_type=CONTENT_TYPE)


@get("/v1/stats", tags=["server"], sync_to_thread=False, summary="What the server is doing")
def server_stats(service: App) -> ServerStats:
    return ServerStats(
        uptime_sec=round(time.time() - service.started_at, 3),
        runs={status: int(count) for (status,), count in service.hub.statuses().items()},
        driven=int(service.driven),
        streams=service.streams,
    )


@get("/v1/runs/{run_id:str}/stats", tags=["runs"], summary="Where the time of a run went")
async def of_run(service: App, run_id: Name) -> RunStats:
    standing = await read_run(service.journal, run_id)
    chosen = standing.row.options.get("max_concurrency")
    width = chosen or standing.state.plan.globals.max_concurrency or processors()
    return run_stats(standing, now=time.time(), width=width, slowest=_SLOWEST)


@get("/v1/plans/{plan_id:str}/stats", tags=["plans"], summary="A plan over its last runs")
async def of_plan(service: App, plan_id: Name) -> PlanStats:
    stats = await plan_stats(service.journal, plan_id, limit=_PAST_RUNS)
    if not stats.runs:
        raise not_found(f"no run of plan {plan_id!r} is over")
    return stats
