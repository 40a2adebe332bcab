"""Chain groups: plans of them, and what came of each."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from stoker.chains.group import GroupResult, OperationGroup
from stoker.engine.view import Document

Groups = Annotated[list[Any], Meta(min_length=1, max_length=10_000)]
"""`OperationGroup`s as `stoker.chains.reading` takes them: contracts as list or map."""


class ExtendRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Groups, behind those of the plan."""

    groups: Groups


class PlanRequest(ExtendRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan of groups."""

    automatic: bool = False
    """Groups begin by themselves; else `next` has them begin."""


class NextRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which answer is wanted."""

    wait: bool = False
    """Their results, once they are over, instead of receipts."""


class ChainPlan(Document, frozen=True, kw_only=True):
    """A plan of groups, and how it stands."""

    plan_id: str
    groups: tuple[OperationGroup, ...]
    results: list[GroupResult]
    """Of the groups that are over, in the order of the plan."""
    remaining_groups: int
