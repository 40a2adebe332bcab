"""Lists in pages, and answers that need not be sent again."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Any

import msgspec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Response

from stoker.server.problems import Refused

Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Known = Annotated[str | None, HeaderParameter(name="If-None-Match", required=False)]


def cursor(created_at: float, key: str) -> str:
    """The place of a record in a list by age."""
    place = msgspec.json.encode((created_at, key))
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def read_cursor(text: str | None) -> tuple[float, str] | None:
    """The place that a cursor stands for. Raises `Refused`."""
    if text is None:
        return None
    try:
        place = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(place, type=tuple[float, str])
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise Refused(422, "invalid-request", "cursor: not one of this server's") from None


def tagged(document: Any, known: str | None) -> Response[Any]:
    """A document with its tag; 304 for who knows it as it is."""
    body = msgspec.json.encode(document)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if known is not None and (known.strip() == "*" or tag in _tags(known)):
        return Response(None, status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _tags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]
