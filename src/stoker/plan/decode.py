"""Raw objects -> `Plan`, with every fault told at once when they are no plan."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from stoker.plan.errors import Problem, path_of
from stoker.plan.model import Plan

_LISTS_OF_NAMES = ("depends_on", "provides", "consumes", "locks")


class Decoded(Struct, frozen=True):
    """What decoding gave."""

    plan: Plan | None
    """With problems: the part of the plan that is sound, or None if there is too little."""
    problems: list[Problem]
    unsound: frozenset[tuple[str, ...]] = frozenset()
    """Parts of `plan` that are not as they were written: `("steps", "3")`, `("globals",)`."""

    def is_sound(self, pointer: str) -> bool:
        """Whether the part that `pointer` leads into is as it was written."""
        return part_of(path_of(pointer)) not in self.unsound


def decode(raw: Any) -> Decoded:
    """Decode a document. Raises nothing, whatever the document holds."""
    try:
        return Decoded(msgspec.convert(raw, Plan), [])
    except msgspec.ValidationError:
        from stoker.plan.explain import MAX_FAULTS, explain

        problems = explain(raw, Plan)
    if not isinstance(raw, dict) or len(problems) >= MAX_FAULTS:
        return Decoded(None, problems)
    repaired, unsound = _repair(raw, problems)
    try:
        return Decoded(msgspec.convert(repaired, Plan), problems, frozenset(unsound))
    except msgspec.ValidationError:
        return Decoded(None, problems)


def part_of(path: tuple[str, ...]) -> tuple[str, ...]:
    """The step, or else the top-level field, that `path` leads into."""
    return path[:2] if path[:1] == ("steps",) else path[:1]


def _repair(
    raw: dict[str, Any], problems: list[Problem]
) -> tuple[dict[str, Any], set[tuple[str, ...]]]:
    """A copy of the document without its faulty fields, so that the rest can be validated in
    the same go, and the parts that lost more than an unknown field."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(raw))
    unsound: set[tuple[str, ...]] = set()
    for fault in problems:
        path = path_of(fault.pointer)
        if fault.on_key:
            _drop(document, path)
            continue
        unsound.add(part_of(path))
        match path:
            case ("steps", index, *rest) if isinstance(document.get("steps"), list):
                _repair_step(document["steps"], int(index), rest)
            case ("inputs", name, *_) if isinstance(document.get("inputs"), dict):
                document["inputs"][name] = None
            case (name, *_):
                document.pop(name, None)
    document.setdefault("plan_id", "")
    return document, unsound


def _repair_step(steps: list[Any], index: int, path: list[str]) -> None:
    nameless = f"\0{index}"  # no step can be called that, so nothing refers to it
    step = steps[index]
    if not isinstance(step, dict):
        steps[index] = {"id": nameless}
    elif not path:
        step.setdefault("id", nameless)
    elif path[0] in _LISTS_OF_NAMES and isinstance(step.get(path[0]), str):
        step[path[0]] = [step[path[0]]]  # what was meant: spares errors that only follow
    else:
        step.pop(path[0], None)
        if path[0] == "id":
            step["id"] = nameless


def _drop(document: Any, path: tuple[str, ...]) -> None:
    for part in path[:-1]:
        if isinstance(document, list):
            document = document[int(part)] if int(part) < len(document) else None
        else:
            document = document.get(part) if isinstance(document, dict) else None
    if isinstance(document, dict):
        document.pop(path[-1], None)
