"""Raw objects -> `Plan`, with every fault told at once when they are no plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.plan.errors import Problem, path_of, pointer
from stoker.plan.model import Plan

T = TypeVar("T")
Path = tuple[str, ...]

_OF_PLAN = ("inputs",)
_OF_STEP = ("consumes", "matrix")
"""Fields in which a step finds only what is its own; in all others, what any step has."""


class Decoded(Struct, Generic[T], frozen=True):
    """What decoding gave."""

    plan: T | None
    """With problems: what is left when faulty values are mended, or None if that is no plan."""
    problems: list[Problem]
    unread: frozenset[Path] = frozenset()
    """Where something else stands in `plan` than was written: `("steps", "3", "command")`."""
    moved: Mapping[Path, Path] = {}
    """Where a misspelt field is in `plan` -> where it was written."""

    def is_sound(self, pointer: str) -> bool:
        """Whether what stands at `pointer` is as it was written."""
        path = path_of(pointer)
        return not any(path[:length] in self.unread for length in range(1, len(path) + 1))

    def independent(self, found: Iterable[Problem]) -> Iterator[Problem]:
        """The problems found in `plan` that do not just follow from those that decoding has
        told already, with the pointers of the document."""
        # What a problem lacks may be in something that could not be read.
        gaps = {path[:3] for path in self.unread}
        of_any_step = {path[2:] for path in gaps if path[0] == "steps"}
        for fault in found:
            if fault.lacking in _OF_PLAN:
                held = (fault.lacking,) in gaps
            elif fault.lacking in _OF_STEP:
                held = (*path_of(fault.pointer)[:2], fault.lacking) in gaps
            else:
                held = bool(fault.lacking) and not of_any_step.isdisjoint(((), (fault.lacking,)))
            if not held and self.is_sound(fault.pointer):
                yield written(fault, self.moved)


def decode(raw: Any, unread: Iterable[Path] = ()) -> Decoded[Plan]:
    """Decode a plan; `unread` is where it is known not to be what was written. Raises nothing,
    whatever the document holds."""
    return decode_as(raw, Plan, unread)


def decode_as(raw: Any, model: type[T], unread: Iterable[Path] = ()) -> Decoded[T]:
    """Decode a document that holds a plan's fields, or some of them."""
    known = frozenset(unread)
    try:
        return Decoded(msgspec.convert(raw, model), [], known)
    except msgspec.ValidationError:
        from stoker.plan.repair import repaired

        return Decoded(*repaired(raw, model, known))


def written(fault: Problem, moved: Mapping[Path, Path]) -> Problem:
    """The problem where the document has it; for `moved` see `Decoded`."""
    path = path_of(fault.pointer)
    for length in range(len(path), 0, -1):
        if path[:length] in moved:
            path = (*moved[path[:length]], *path[length:])
    return replace(fault, pointer=pointer(path))
