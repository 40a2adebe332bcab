"""Why a value does not decode: every fault, in plain words.

msgspec decodes fast and reports only the first fault, so this walks the value against the
same model (`msgspec.inspect`) when decoding has failed, and never before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from stoker.plan.errors import Problem, problem, show
from stoker.plan.suggest import did_you_mean

Path = tuple[str | int, ...]

MAX_FAULTS = 10_000
_MANY_FIELDS = 15
_SEQUENCES = (
    inspect.VarTupleType,
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
)
_MAPS = (inspect.StructType, inspect.DictType)
_CHOICES = (inspect.LiteralType, inspect.EnumType)
# What fits a type of the model; what it is called, one and many.
_SIMPLE: Mapping[type, tuple[tuple[type, ...], str, str]] = {
    inspect.NoneType: ((type(None),), "null", "null"),
    inspect.BoolType: ((bool,), "true or false", "true or false"),
    inspect.IntType: ((int,), "a whole number", "whole numbers"),
    inspect.FloatType: ((float, int), "a number", "numbers"),
    inspect.StrType: ((str,), "a string", "strings"),
    **dict.fromkeys(_MAPS, ((dict,), "a map", "maps")),
    **dict.fromkeys(_SEQUENCES, ((list,), "a list", "lists")),
}
_CONSTRAINTS = (
    "gt",
    "ge",
    "lt",
    "le",
    "multiple_of",
    "pattern",
    "min_length",
    "max_length",
)
_MSGSPEC_PATH = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")


def explain(value: Any, model: Any, path: Path = (), *, templates: bool = False) -> list[Problem]:
    """What keeps `msgspec.convert(value, model)` from succeeding; empty if nothing does.

    `value` is made of dict, list, str, int, float, bool and None. With `templates`, a string
    that holds `${{` is taken wherever a value of another type is wanted.
    """
    walk = _Walk(templates)
    problems = []
    for fault in walk.faults(value, inspect.type_info(model), path):
        problems.append(fault)
        if len(problems) >= MAX_FAULTS:
            break
    if not problems and not walk.templated:
        problems += _refusal(value, model, path)
    return problems


class _Walk:
    def __init__(self, templates: bool) -> None:
        self._templates = templates
        self.templated = False
        """A template stood in for a value of another type."""

    def faults(self, value: Any, wanted: inspect.Type, path: Path) -> Iterator[Problem]:
        if isinstance(wanted, inspect.UnionType):
            yield from self._union(value, wanted, path)
        elif isinstance(wanted, inspect.StructType) and type(value) is dict:
            yield from self._struct(value, wanted, path)
        elif isinstance(wanted, inspect.DictType) and type(value) is dict:
            for key, item in value.items():
                yield from self.faults(item, wanted.value_type, (*path, key))
        elif isinstance(wanted, _SEQUENCES) and type(value) is list:
            for index, item in enumerate(value):
                yield from self.faults(item, wanted.item_type, (*path, index))
        elif self._templates and type(value) is str and "${{" in value:
            self.templated = self.templated or wanted != inspect.StrType()
        elif not _fits(value, wanted):
            yield problem(path, f"expected {describe(wanted)}, found {_found(value, wanted)}")
        elif broken := _broken_constraint(value, wanted):
            yield problem(path, broken)

    def _struct(
        self, value: dict[str, Any], wanted: inspect.StructType, path: Path
    ) -> Iterator[Problem]:
        fields = {field.encode_name: field for field in wanted.fields}
        if wanted.tag_field is not None:
            fields.pop(wanted.tag_field, None)
        for name, item in value.items():
            field = fields.get(name)
            if field is not None:
                yield from self.faults(item, field.type, (*path, name))
            elif wanted.forbid_unknown_fields and name != wanted.tag_field:
                yield problem((*path, name), _unknown_field(name, fields), on_key=True)
        for name, field in fields.items():
            if field.required and name not in value:
                yield problem(path, f"the required field {name!r} is missing")

    def _union(self, value: Any, wanted: inspect.UnionType, path: Path) -> Iterator[Problem]:
        alike: list[list[Problem]] = []
        for member in wanted.types:
            found = list(self.faults(value, member, path))
            if not found:
                return
            if _same_shape(value, member):
                alike.append(found)
        if len(alike) == 1:
            yield from alike[0]
        else:
            yield problem(path, f"expected {describe(wanted)}, found {_found(value, wanted)}")


def _fits(value: Any, wanted: inspect.Type) -> bool:
    """Whether a leaf is of the right type; True where only msgspec knows."""
    if isinstance(wanted, _CHOICES):
        return any(type(value) is type(item) and value == item for item in _allowed(wanted))
    return type(wanted) not in _SIMPLE or type(value) in _SIMPLE[type(wanted)][0]


def _same_shape(value: Any, wanted: inspect.Type) -> bool:
    return isinstance(wanted, (*_MAPS, *_SEQUENCES)) and _fits(value, wanted)


def _broken_constraint(value: Any, wanted: inspect.Type) -> str | None:
    limits = {n: v for n in _CONSTRAINTS if (v := getattr(wanted, n, None)) is not None}
    if not limits or type(value) not in (str, int, float):
        return None
    from typing import Annotated

    annotated: Any = Annotated[type(value), msgspec.Meta(**limits)]
    try:
        msgspec.convert(value, annotated)
    except msgspec.ValidationError as error:
        rule = str(error).removeprefix("Expected ").replace("`", "")
        return f"expected {rule}, found {_found(value, wanted)}"
    return None


def _refusal(value: Any, model: Any, path: Path) -> Iterator[Problem]:
    """msgspec's own word, for types this module does not know."""
    try:
        msgspec.convert(value, model)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        known = place.rstrip("`").partition("[...]")[0]  # msgspec does not tell keys of maps
        inner = [name or int(index) for name, index in _MSGSPEC_PATH.findall(known)]
        yield problem((*path, *inner), message.replace("`", ""))


def _unknown_field(name: str, fields: Iterable[str]) -> str:
    allowed = sorted(fields)
    hint = did_you_mean(name, allowed)
    if not hint or len(allowed) <= _MANY_FIELDS:
        hint += f"; allowed: {', '.join(allowed)}"
    return f"unknown field {show(name)}{hint}"


def _found(value: Any, wanted: inspect.Type) -> str:
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            allowed = [v for v in _allowed(wanted) if isinstance(v, str)]
            return f"the string {show(value)}{did_you_mean(value, allowed)}"
        case int() | float():
            return f"the number {show(value)}"
    return "a map" if isinstance(value, dict) else "a list"


def _allowed(wanted: inspect.Type) -> Iterator[Any]:
    match wanted:
        case inspect.LiteralType(values=values):
            yield from values
        case inspect.EnumType(cls=cls):
            yield from (member.value for member in cls)
        case inspect.UnionType(types=types):
            for member in types:
                yield from _allowed(member)


def describe(wanted: inspect.Type, *, plural: bool = False) -> str:
    """A type in plain words: `a list of strings`."""
    if isinstance(wanted, _CHOICES):
        values = [repr(value) for value in _allowed(wanted)]
        return values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    if isinstance(wanted, inspect.UnionType):
        words = dict.fromkeys(describe(member, plural=plural) for member in wanted.types)
        if any(isinstance(member, inspect.FloatType) for member in wanted.types):
            words.pop("whole numbers" if plural else "a whole number", None)
        *first, last = words
        return f"{', '.join(first)} or {last}" if first else last
    if type(wanted) not in _SIMPLE:
        return "another type"
    _, one, many = _SIMPLE[type(wanted)]
    word = many if plural else one
    if isinstance(wanted, _SEQUENCES) and not isinstance(wanted.item_type, inspect.AnyType):
        return f"{word} of {describe(wanted.item_type, plural=True)}"
    return word
