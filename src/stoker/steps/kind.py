"""What the built-in kinds have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from stoker.engine.kinds import Attempt, Work
from stoker.plan.model import InterruptPolicy, Step


class Definition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every definition: immutable, and strict about unknown fields."""


D = TypeVar("D", bound=Struct)


class BaseKind(ABC, Generic[D]):
    """A `Kind` with the usual answers; each kind says its name, its definition and `start`."""

    name: str
    definition: type[D]
    on_interrupt: InterruptPolicy = "rerun"
    takes_slot: bool = True

    def check(self, step: Step, definition: D) -> list[str]:
        """Nothing that the types do not say."""
        return []

    def tool(self, step: Step, definition: D) -> str:
        """The command's base name where the step has one, else the kind."""
        return step.command.rpartition("/")[2] if step.command else self.name

    @abstractmethod
    def start(self, step: Step, definition: D, attempt: Attempt) -> Work:
        """Begin. Must not block. Raises `StepFailed`."""


def misplaced(
    definition: D, action: str, takes: Mapping[str, tuple[Collection[str], Collection[str]]]
) -> list[str]:
    """Problems of a definition whose field `action` decides which other fields count.

    `takes`: value of that field -> the fields it needs, and those it may have beside them.
    """
    needed, possible = takes[action]
    given = {
        field.name
        for field in fields(definition)
        if field.name != "action" and getattr(definition, field.name) != _default(field)
    }
    return [f"action '{action}' needs '{name}'" for name in needed if name not in given] + [
        f"{name}: action '{action}' does not take it"
        for name in sorted(given - set(needed) - set(possible))
    ]


def _default(field: FieldInfo) -> object:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()
