"""The OpenAPI document: what Litestar finds out, and what it cannot know."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stoker.server.problems import MEDIA_TYPE
from stoker.server.streams import SSE
from stoker.wire.problems import ProblemDetails

_REF: Final = "#/components/schemas/{name}"
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def completed(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with its errors and optional bodies. Changes `schema`."""
    _, parts = msgspec.json.schema_components([ProblemDetails], ref_template=_REF)
    schema["components"]["schemas"].update(parts)
    problem = {
        "description": "What went wrong (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="ProblemDetails")}}},
    }
    for path in schema["paths"].values():
        for method in _METHODS:
            if (operation := path.get(method)) is None:
                continue
            responses = operation["responses"]
            responses.pop("400", None)
            responses["default"] = problem
            _optional(operation.get("requestBody"))
            taken = {one["name"] for one in operation.get("parameters", ())}
            if "If-None-Match" in taken:
                responses["304"] = {"description": "As `If-None-Match` says"}
            if "Last-Event-ID" in taken:
                responses["200"].setdefault("content", {})[SSE] = {"schema": {"type": "string"}}
    return schema


def _optional(body: dict[str, Any] | None) -> None:
    """A body that may be null need not be sent."""
    content = (body or {}).get("content", {}).get("application/json")
    if body is None or content is None or "oneOf" not in content["schema"]:
        return
    choice = [one for one in content["schema"]["oneOf"] if one != {"type": "null"}]
    if len(choice) == 1:
        body["required"] = False
        content["schema"] = choice[0]
