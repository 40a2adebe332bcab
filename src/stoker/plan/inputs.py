"""The values a plan is given from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from stoker.plan.errors import PlanError, Problem, problem, show
from stoker.plan.model import Input, Plan
from stoker.plan.suggest import did_you_mean

_BOOLEANS = {"true": True, "false": False}


class Inputs(Struct, frozen=True):
    """Resolved inputs."""

    values: Mapping[str, Any]
    """Every declared input; None where nothing was given and there is no default."""
    secrets: frozenset[str]
    """Names of those that must not be stored or shown."""


def declared(plan: Plan) -> dict[str, Input]:
    """The plan's inputs, the short form written out."""
    return {
        name: value if isinstance(value, Input) else Input(default=value)
        for name, value in plan.inputs.items()
    }


def resolve(plan: Plan, given: Mapping[str, Any]) -> Inputs:
    """Given values over defaults. Text given for an input whose default is a number or a
    boolean is read as one, as a command line has nothing but text. Raises `PlanError` with
    all unknown, missing and unreadable inputs; secret values are not in its messages."""
    known = declared(plan)
    problems = [
        problem(("inputs", name), f"no such input{did_you_mean(name, known)}{_choice(known)}")
        for name in given
        if name not in known
    ]
    values: dict[str, Any] = {}
    for name, declaration in known.items():
        if name not in given:
            if declaration.required:
                what = f" ({declaration.description})" if declaration.description else ""
                problems.append(problem(("inputs", name), f"required, but not given{what}"))
            values[name] = declaration.default
            continue
        value = given[name]
        if isinstance(value, str) and isinstance(declaration.default, bool | int | float):
            read = _read(value, type(declaration.default))
            if read is None:
                problems.append(_unreadable(name, value, declaration))
            value = read
        values[name] = value
    if problems:
        raise PlanError(problems)
    secrets = frozenset(name for name, declaration in known.items() if declaration.secret)
    return Inputs(values, secrets)


def _choice(known: Mapping[str, Input]) -> str:
    return f"; the plan has {', '.join(sorted(known))}" if known else "; the plan has none"


def _read(text: str, kind: type) -> bool | int | float | None:
    if kind is bool:
        return _BOOLEANS.get(text.strip().lower())
    for read in (int, float):
        try:
            value = read(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else None
    return None


def _unreadable(name: str, value: str, declaration: Input) -> Problem:
    expected = "true or false" if isinstance(declaration.default, bool) else "a number"
    found = "other text" if declaration.secret else show(value)
    return problem(("inputs", name), f"expected {expected}, as its default is, found {found}")
