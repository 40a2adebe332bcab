"""What stands in a plan's document for values of people's, whatever is written in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stoker.plan.template import escape
from stoker.plan.variables import literal


def literally(value: Any) -> Any:
    """What stands for a value where nothing is filled in but variables, as in the metadata."""
    return _each(literal, value)


def written(value: Any) -> Any:
    """What stands for a value where templates are filled in, too."""
    return _each(lambda text: literal(escape(text)), value)


def _each(change: Callable[[str], str], value: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _each(change, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each(change, item) for item in value]
    return value
