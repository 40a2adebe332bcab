"""The OpenAPI document: what Litestar finds out, and what it cannot know."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stoker.server.problems import MEDIA_TYPE, ProblemDetails
from stoker.server.streams import SSE

_REF: Final = "#/components/schemas/{name}"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_STREAMED: Final = ("events", "logs")
"""Tags of resources that also come as server-sent events."""


def completed(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with its errors, streams and optional bodies. Changes `schema`."""
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
            if not {*_STREAMED}.isdisjoint(operation.get("tags", ())):
                _streamed(responses)
    _special(schema["paths"])
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


def _streamed(responses: dict[str, Any]) -> None:
    content = responses["200"].setdefault("content", {})
    content.setdefault(SSE, {"schema": {"type": "string"}})


def _special(paths: dict[str, Any]) -> None:
    """Answers beside the usual one."""
    begin = paths["/v1/runs"]["post"]["responses"]
    begin["200"] = {**begin["201"], "description": "An earlier request began it"}
    show = paths["/v1/runs/{run_id}"]["get"]["responses"]
    show["304"] = {"description": "As `If-None-Match` says"}
    paths["/v1/runs/{run_id}/events"]["get"]["responses"]["204"] = {
        "description": "A stream that is over: do not come back"
    }
    logs = "/v1/runs/{run_id}/steps/{step}/attempts/{number}/logs/{output}"
    found = paths[logs]["get"]["responses"]
    bytes_ = {"text/plain": {"schema": {"type": "string"}}}
    found["200"]["content"] = {**bytes_, SSE: {"schema": {"type": "string"}}}
    found["206"] = {"description": "The range", "content": bytes_}
