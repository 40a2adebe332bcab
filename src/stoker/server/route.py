"""Routes that an operation of the clients describes: method, path, body and answer are written
down there, for both ends; here is what is done for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import Parameter, Signature
from operator import attrgetter
from typing import Annotated, Any, Final

from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from msgspec import Struct
from msgspec.structs import asdict, fields

from stoker.client.operation import Operation, nothing
from stoker.server.params import App, Asked, Key, Kind, Name, Turn, sent

_PARTS: Final[dict[str, Any]] = {"turn": Turn, "kind": Kind}
_DOOR: Final = {
    "Catalog": "catalog",
    "Images": "library.images",
    "Pulls": "pulls",
    "Removal": "removal",
    "Starter": "starter",
    "Turns": "turns",
    "Work": "work",
}
"""Where the tasks door has its parts."""


Act = Callable[..., Awaitable[Any]]
Example = tuple[str, dict[str, Any]]
"""Of a body: what it is called, and its fields."""


def route(
    operation: Operation[..., Any],
    summary: str,
    act: Act,
    *,
    part: str = "",
    of_attempt: bool = False,
    **options: Any,
) -> BaseRouteHandler:
    """A handler. `act`, a method of a `part` of the tasks door (default: by its class), is given
    what the path has (`of_attempt`: the attempt, not its id) and the fields of the body, or one
    that tells of changes as it is; what it returns is the answer, or the only field of it."""
    door = attrgetter(part or _DOOR[act.__qualname__.partition(".")[0]])
    answer = operation.answer

    async def handle(request: Asked, service: App, *places: Any, data: Any, key: Any) -> Any:
        if of_attempt:
            places = (await service.tasks.catalog.attempt(places[0]), *places[1:])
        keyed = {"request_key": key} if operation.keyed else {}
        if operation.method == "PATCH":
            found = await act(door(service.tasks), *places, data)
        else:
            fields = asdict(data) if data else {}
            found = await act(door(service.tasks), *places, **fields, **keyed)
        if answer is type(None):
            return None
        return answer(found) if issubclass(answer, Struct) and type(found) is not answer else found

    return handler(operation, summary, handle, **options)


def handler(
    operation: Operation[..., Any],
    summary: str,
    handle: Act,
    *,
    example: Example | None = None,
    status: int | None = None,
    scope: str | None = None,
    **options: Any,
) -> BaseRouteHandler:
    """A handler. `handle` is given request, service and what the path has, then `data`, the body
    (of a POST that need not be sent where all of it has defaults), and `key`, of idempotency."""
    places = operation.places
    takes: Any = None if operation.takes is nothing else operation.takes
    optional = operation.method == "POST" and takes and not any(f.required for f in fields(takes))
    parts: dict[str, Any] = {"request": Asked, "service": App}
    parts |= {place: _PARTS.get(place, Name) for place in places}
    if takes:
        body = takes | None if optional else takes
        parts["data"] = Annotated[body, sent(example[0], **example[1]) if example else sent()]
    if operation.keyed:
        parts["key"] = Key

    async def handler(request: Asked, service: App, **given: Any) -> Any:
        data = given.get("data")
        return await handle(
            request,
            service,
            *(given[place] for place in places),
            data=takes() if data is None and takes else data,
            key=given.get("key"),
        )

    defaults = {"key": None, **({"data": None} if optional else {})}
    handler.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=defaults.get(name, Parameter.empty))
            for name in parts
        ]
    )
    answer = operation.answer
    handler.__annotations__ = {**parts, "return": None if answer is type(None) else answer}
    handler.__name__ = operation.name
    kinds = {place: f"{{{place}:{'int' if place == 'turn' else 'str'}}}" for place in places}
    return HTTPRouteHandler(
        operation.path.format(**kinds),
        http_method=operation.method,  # type: ignore[arg-type] # it is one of those
        status_code=status or (204 if answer is type(None) else 200),
        summary=summary,
        opt={"scope": scope} if scope else {},
        **options,
    )(handler)
