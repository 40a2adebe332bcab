"""Events: as a page, and live as server-sent events or over a WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from litestar import get, websocket
from litestar.params import FromQuery, QueryParameter
from litestar.response import Response
from msgspec import json

from stoker.engine.lifecycle import RUN_OVER
from stoker.server.params import Accept, App, Asked, LastEvent, Name, Socket, whole
from stoker.server.problems import Refused
from stoker.server.service import Service
from stoker.server.streams import SSE, Told, each, send, sse
from stoker.wire.runs import EventPage

TAG = "events"

_GAP = "stream.gap"
"""Name of what tells that events were missed."""


After = Annotated[int, QueryParameter(ge=0, le=2**53)]


@get(
    "/v1/runs/{run_id:str}/events",
    summary="A run's events",
    description="A page as JSON; with `Accept: text/event-stream` all of them and then live until "
    "the run is over. A stream goes on behind `Last-Event-ID`. `/ws` is the same over a WebSocket, "
    "an event in each text frame.",
)
async def of_run(
    service: App,
    run_id: Name,
    after: After = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    last_event: LastEvent = None,
    accept: Accept = "",
) -> Response[EventPage]:
    row = await service.journal.run(run_id)
    if SSE in accept:
        start = max(after, whole(last_event))
        if row.status in RUN_OVER and start >= row.last_sequence:
            return Response(None, status_code=204)  # type: ignore[arg-type] # do not come back
        live = service.hub.events(run_id, start)
        items = each(live, lambda some: [(str(one.sequence), "", one) for one in some])
        return sse(items, service)  # type: ignore[return-value]
    found = await service.journal.events(run_id, after=after, limit=limit + 1)
    events = found[:limit]
    return Response(
        EventPage(
            events=events,
            next_after=events[-1].sequence if events else after,
            over=row.status in RUN_OVER and len(found) <= limit,
        )
    )


@websocket("/v1/runs/{run_id:str}/events/ws")
async def of_run_socket(socket: Socket, service: App, run_id: Name, after: After = 0) -> None:
    await service.journal.run(run_id)
    events = service.hub.events(run_id, after)
    frames = each(events, lambda some: [json.encode(event).decode() for event in some])
    await send(socket, frames, service)


@get(
    "/v1/events",
    summary="Events of all runs, live",
    description="Server-sent events from now on, or behind `Last-Event-ID`. An event `stream.gap` "
    "says that some before it are lost to this stream: read what you need anew. `/ws` is the same "
    "over a WebSocket, `{id, event}` in each text frame; go on with `?after=ID`.",
)
async def of_all(service: App, request: Asked, last_event: LastEvent = None) -> Response[None]:
    if "application/json" in request.headers.get("accept", ""):
        raise Refused(406, "", "this is a stream: Accept text/event-stream")
    return sse(_all(service, last_event), service)  # type: ignore[return-value]


@websocket("/v1/events/ws")
async def of_all_socket(socket: Socket, service: App, after: FromQuery[str | None] = None) -> None:

    def told(some: Sequence[Told]) -> Sequence[str]:
        return [json.encode({"id": place, "event": data}).decode() for place, _, data in some]

    frames = each(_all(service, after), told)
    await send(socket, frames, service)


def _all(service: Service, place: str | None) -> AsyncIterator[Sequence[Told]]:
    return each(
        service.hub.all(place),
        lambda some: [(one.place, _GAP if one.event is None else "", one.event) for one in some],
    )


def document(paths: dict[str, Any]) -> None:
    """See `stoker.server.resources`."""
    told = paths["/v1/runs/{run_id}/events"]["get"]["responses"]
    told["204"] = {"description": "A stream that is over: do not come back"}
