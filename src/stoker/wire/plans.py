"""Plans, as they are sent, and what is wrong with them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from stoker.wire.problems import Fault


class PlanSource(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A plan: exactly one of `plan` and `path`."""

    plan: dict[str, Any] | str | None = None
    """The plan itself, or the text of a plan file (JSON or YAML)."""
    path: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    """A plan file on the server, in one of its roots; a relative one starts from the first."""
    variables: dict[str, str] = field(default_factory=dict)
    """What `${NAME}` in the plan is replaced by."""
    cwd: Annotated[str, Meta(min_length=1, max_length=4096)] = "."
    """Where relative paths of the plan start from; in one of the server's roots."""


class Validation(Struct, frozen=True, kw_only=True):
    """What is wrong with a plan, all of it."""

    valid: bool
    plan_id: str | None
    """None if the plan is not valid."""
    steps: int | None
    problems: list[Fault]
    """Errors, and warnings of a plan that is valid."""
