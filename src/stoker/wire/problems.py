"""What went wrong, told as problem details (RFC 9457): the one form of error there is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the things that are wrong with a request."""

    detail: str
    pointer: str = ""
    """JSON pointer into the request's body, or into the plan file in `file`."""
    parameter: str = ""
    """The parameter of the path, query or header that is meant."""
    file: str = ""
    line: int | None = None
    column: int | None = None
    severity: str = "error"


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error (RFC 9457)."""

    type: str
    """`urn:stoker:problem:NAME`, which does not change; `about:blank`: the status says it all."""
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str = ""
    errors: list[Fault] = field(default_factory=list)
