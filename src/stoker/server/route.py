"""Routes that an operation of the clients describes: method, path, body and answer are written
down there, for both ends; here is what is done for it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from inspect import Parameter, Signature
from operator import attrgetter
from typing import Annotated, Any, Final

from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from msgspec import Struct
from msgspec.structs import asdict, fields

from stoker.client.operation import Operation, nothing
from stoker.server.params import App, Key, Kind, Name, Turn, sent

_PARTS: Final[dict[str, Any]] = {"turn": Turn, "kind": Kind}
_PART: Final = re.compile(r"\{(\w+)\}")
_DOOR: Final = {
    "Catalog": "catalog",
    "Images": "library.images",
    "Library": "library",
    "Pulls": "pulls",
    "Removal": "removal",
    "Starter": "starter",
    "Turns": "turns",
    "Work": "work",
}
"""Where the tasks door has its parts."""


def route(
    operation: Operation[..., Any],
    summary: str,
    act: Callable[..., Awaitable[Any]],
    *,
    of_attempt: bool = False,
    example: tuple[str, dict[str, Any]] | None = None,
    status: int | None = None,
    scope: str | None = None,
    **options: Any,
) -> BaseRouteHandler:
    """A handler. `act`, a method of a part of the tasks door, is given what the path has
    (`of_attempt`: the attempt, not its id) and the fields of the body, or one that tells of
    changes as it is; what it returns is the answer, or the only field of it. The body of a POST
    need not be sent where all of it has defaults."""
    part = attrgetter(_DOOR[act.__qualname__.partition(".")[0]])
    places: list[str] = _PART.findall(operation.path)
    takes: Any = None if operation.takes is nothing else operation.takes
    answer = operation.answer
    parts: dict[str, Any] = {"service": App}
    parts |= {place: _PARTS.get(place, Name) for place in places}
    optional = operation.method == "POST" and takes and not any(f.required for f in fields(takes))
    if takes:
        body = takes | None if optional else takes
        parts["data"] = Annotated[body, sent(example[0], **example[1]) if example else sent()]
    if operation.keyed:
        parts["key"] = Key

    async def handler(service: App, **given: Any) -> Any:
        with_what: list[Any] = [given[place] for place in places]
        if of_attempt:
            with_what[0] = await service.tasks.catalog.attempt(with_what[0])
        more: dict[str, Any] = {"request_key": given["key"]} if operation.keyed else {}
        if operation.method == "PATCH":
            with_what.append(given["data"])
        elif takes:
            more |= asdict(takes() if given["data"] is None else given["data"])
        found = await act(part(service.tasks), *with_what, **more)
        if answer is type(None):
            return None
        return answer(found) if issubclass(answer, Struct) and type(found) is not answer else found

    defaults = {"key": None, **({"data": None} if optional else {})}
    handler.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=defaults.get(name, Parameter.empty))
            for name in parts
        ]
    )
    handler.__annotations__ = {**parts, "return": None if answer is type(None) else answer}
    handler.__name__ = operation.name
    path = _PART.sub(
        lambda part: f"{{{part[1]}:{'int' if part[1] == 'turn' else 'str'}}}", operation.path
    )
    return HTTPRouteHandler(
        path,
        http_method=operation.method,  # type: ignore[arg-type] # it is one of those
        status_code=status or (204 if answer is type(None) else 200),
        summary=summary,
        opt={"scope": scope} if scope else {},
        **options,
    )(handler)
