"""A document with faults, made into a plan, so that all of it can be checked in one go.

Each faulty value gives way to one of the right type from which no other fault follows, and a
misspelt field goes where it was meant. What stands in is never told of: a problem found there,
or one that the value it stands for may have mended, waits until that value is mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Final, TypeVar

import msgspec

from stoker.plan.decode import Path, written
from stoker.plan.errors import Problem, path_of
from stoker.plan.explain import MAX_FAULTS, explain
from stoker.plan.model import Globals, Step
from stoker.plan.suggest import closest

T = TypeVar("T")

_MAX_ROUNDS: Final = 5  # one for each level on which fields can be misspelt, and one to spare
_NOTHING: Final = "\0"  # no text of a plan file can hold it
_LISTS_OF_NAMES = ("depends_on", "provides", "consumes", "locks")
_STEP: Mapping[str, Any] = {
    "command": _NOTHING,
    "run": _NOTHING,
    "step_def": {},
    "args": [_NOTHING],
    "foreach": _NOTHING,
    "matrix": {_NOTHING: []},
    "retries": 1,
    "on_failure": "fallback_step",
    "fallback_step": _NOTHING,
}
"""For fields of a step, where leaving one out makes another wrong."""
_GLOBALS: Mapping[str, Any] = {"default_retries": 1}
_INSTEAD: Mapping[str, str] = {"foreach": "matrix", "matrix": "foreach"}
"""What beside the one is not a misspelling of the other."""


def repaired(
    raw: Any, model: type[T], unread: frozenset[Path]
) -> tuple[T | None, list[Problem], frozenset[Path], dict[Path, Path]]:
    """What `Decoded` holds, for a document that `model` refuses."""
    told = faults = explain(raw, model)
    if not isinstance(raw, dict) or len(told) >= MAX_FAULTS:
        return None, told, frozenset(), {}
    repair = _Repair(unread)
    document: Any = msgspec.json.decode(msgspec.json.encode(raw))
    for _ in range(_MAX_ROUNDS):
        for fault in faults:
            repair.mend(document, fault, model)
        try:
            plan = msgspec.convert(document, model)
        except msgspec.ValidationError:
            faults = explain(document, model)  # in what was misspelt
        else:
            return plan, told, frozenset(repair.unread), repair.moved
        # A misspelt field of the wrong type may well have been meant for something else.
        inner = (fault for fault in faults if path_of(fault.pointer) not in repair.moved)
        told = [*told, *(written(fault, repair.moved) for fault in inner)]
    return None, told, frozenset(), {}


class _Repair:
    def __init__(self, unread: frozenset[Path]) -> None:
        self.unread = set(unread)
        self.moved: dict[Path, Path] = {}

    def mend(self, document: Any, fault: Problem, model: type[Any]) -> None:
        path = path_of(fault.pointer)
        if not path:
            for field in msgspec.structs.fields(model):
                if field.required and field.name not in document:
                    document[field.name] = [] if field.name == "steps" else _NOTHING
                    self.unread.add((field.name,))
            return
        *above, name = path
        holder = _at(document, above)
        if isinstance(holder, list):
            self._item(holder, int(name), path)
        elif isinstance(holder, dict) and fault.on_key:
            value = holder.pop(name, None)
            meant = closest(name, _fields(tuple(above), model))
            if meant is not None and not holder.keys() & {meant, _INSTEAD.get(meant)}:
                holder[meant] = value
                self.moved[(*above, meant)] = path
        elif isinstance(holder, dict):
            self._field(holder, name, path)

    def _item(self, items: list[Any], index: int, path: Path) -> None:
        if path[0] != "steps" or len(path) != 2:
            self.unread.add(path)
            items[index] = 1 if path[-2] == "on_exit_codes" else _NOTHING
        elif isinstance(items[index], dict):
            self.unread.add((*path, "id"))
            items[index]["id"] = _nameless(path)
        else:
            self.unread.add(path)
            items[index] = {"id": _nameless(path)}

    def _field(self, holder: dict[str, Any], name: str, path: Path) -> None:
        if name in _LISTS_OF_NAMES and isinstance(holder.get(name), str):
            holder[name] = [holder[name]]  # what was meant
            return
        self.unread.add(path)
        match path:
            case ("steps", _, "id"):
                holder[name] = _nameless(path)
            case ("steps", _, _) if name in _STEP:
                holder[name] = copy(_STEP[name])
            case ("globals", _) if name in _GLOBALS:
                holder[name] = _GLOBALS[name]
            case ("globals",):
                holder[name] = dict(_GLOBALS)
            case ("plan_id",):
                holder[name] = _NOTHING
            case ("inputs", _):
                holder[name] = None
            case _:
                holder.pop(name, None)


def _nameless(path: Path) -> str:
    """An id of its own for a step, which nothing can refer to."""
    return f"{_NOTHING}{path[1]}"


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part) if isinstance(document, list) else part]
    return document


def _fields(path: Path, model: type[Any]) -> tuple[str, ...]:
    """The fields of what stands at `path`, where misspelling one makes others wrong."""
    match path:
        case ():
            return tuple(model.__struct_encode_fields__)
        case ("globals",):
            return Globals.__struct_encode_fields__
        case ("steps", _):
            return Step.__struct_encode_fields__
    return ()
