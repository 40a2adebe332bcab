"""A kind of step for plans to use, with every sort of field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from stoker.plan.model import Step
from stoker.plan.step_rules import KindLike


class Call(Struct, frozen=True, forbid_unknown_fields=True):
    """Call a service."""

    url: str
    """Where to."""
    method: Literal["GET", "POST"] = "GET"
    attempts: Annotated[int, Meta(ge=1)] = 1
    headers: dict[str, str] = {}
    expect: tuple[int, ...] = ()


class CallKind:
    name = "call"
    definition = Call

    def check(self, step: Step, definition: Any) -> list[str]:
        return [] if "://" in definition.url else [f"{definition.url!r} is no URL"]


@pytest.fixture
def kinds() -> dict[str, KindLike]:
    return {"call": CallKind()}
