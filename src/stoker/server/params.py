"""What handlers are given, by type."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, WebSocket
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, HeaderParameter, PathParameter, QueryParameter

from stoker.server.problems import Refused
from stoker.server.service import Service
from stoker.tasks.model import DraftKind

App = NamedDependency[Service]
"""Must be called `service`."""
Name = FromPath[str]
"""An id in the path."""
Kind = FromPath[DraftKind]
Asked = Request[Any, Any, Any]
Socket = WebSocket[Any, Any, Any]
Turn = Annotated[int, PathParameter(ge=1, le=100_000)]
Key = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", min_length=1, max_length=255, required=False),
]
Accept = Annotated[str, HeaderParameter(name="Accept", required=False)]
WaitSec = Annotated[float, QueryParameter(ge=0, le=60)]
LastEvent = Annotated[str | None, HeaderParameter(name="Last-Event-ID", required=False)]


def sent(title: str = "", /, **example: Any) -> Any:
    """What marks the type of a body, with an example of it for the OpenAPI document."""
    return Body(examples=[Example(title, value=example)] if title else None)


def who(request: Asked) -> str:
    """Whose token a request came with: what is done is kept with it."""
    return f"api:{request.scope['state']['token'].name}"


def whole(last_event: str | None) -> int:
    """Where a reader goes on, in streams that count. Raises `Refused`."""
    if not last_event:
        return 0
    if not (last_event.isascii() and last_event.isdecimal() and len(last_event) <= 15):
        raise Refused(422, "invalid-request", "Last-Event-ID: expected a number of this stream")
    return int(last_event)
