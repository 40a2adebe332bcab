"""Text with `${{ expression }}` in it.

A string that is nothing but one expression stands for the expression's value, whatever its
type; any other string is text, with each value written into it. `$${{` is a literal `${{`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.plan.expression import (
    EvaluationError,
    Expression,
    ExpressionError,
    Scope,
    compile_expression,
)
from stoker.plan.values import described

MAX_DEPTH: Final = 200
"""How deep lists and maps may be nested in a value that is rendered."""


class Template(Struct, frozen=True, eq=False):
    """A compiled string."""

    text: str
    parts: tuple[str | Expression, ...]
    """Literal text (escapes resolved) and the expressions between."""
    references: frozenset[tuple[str, ...]]
    """What its expressions look up; see `Expression.references`."""

    def render(self, scope: Scope) -> Any:
        """The value: of the expression if the string is exactly one, else text.
        Raises `EvaluationError`."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return self.parts[0].evaluate(scope)
        return self.render_text(scope)

    def render_text(self, scope: Scope) -> str:
        """The text, whatever the values are. Raises `EvaluationError`."""
        return "".join(
            part if isinstance(part, str) else as_text(part.evaluate(scope)) for part in self.parts
        )


# The look-behind keeps a long run of dollars from being searched once per dollar.
_OPENING = re.compile(r"(?<!\$)\$++\{\{")
# Up to the closing braces; those inside quotes do not close.
# Possessive only on plain sets: Python 3.11.2, which Debian 12 has, gets repeated groups wrong.
_INSIDE = re.compile(
    r"""((?:[^'"}]++|'(?:[^'\\]++|\\.)*'|"(?:[^"\\]++|\\.)*"|\}(?!\}))*)\}\}""", re.DOTALL
)


def compile_template(text: str) -> Template:
    """Read a string. Raises `ExpressionError` with a column of `text`."""
    return _compiled(text)


@lru_cache(maxsize=4_096)
def _compiled(text: str) -> Template:
    parts = tuple(_parts(text))
    return Template(
        text,
        parts,
        frozenset().union(*(part.references for part in parts if isinstance(part, Expression))),
    )


def _parts(text: str) -> Iterable[str | Expression]:
    literal, at = "", 0
    while opening := _OPENING.search(text, at):
        literal += text[at : opening.start()]
        if len(opening[0]) > 3:  # more than one dollar: the first escapes the rest
            literal += opening[0][1:]
            at = opening.end()
            continue
        inside = _INSIDE.match(text, opening.end())
        if inside is None:
            raise ExpressionError(
                "'${{' is not closed: expected '}}' (is a quote open?)", opening.start() + 1
            )
        if literal:
            yield literal
        literal, at = "", inside.end()
        source = inside[1].lstrip()
        try:
            yield compile_expression(source.rstrip())
        except ExpressionError as error:
            before = inside.end(1) - len(source)
            raise ExpressionError(error.message, error.column + before) from None
    if literal := literal + text[at:]:
        yield literal


def escape(text: str) -> str:
    """The template that stands for `text` itself."""
    return _OPENING.sub(r"$\g<0>", text)


def as_text(value: Any) -> str:
    """A value inside text: null is empty, lists and maps are compact JSON.
    Raises `EvaluationError` for what JSON cannot hold."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        if isinstance(value, int | float):
            return str(value)
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise EvaluationError(f"{described(value)} cannot be written as text: {error}") from None


def render_value(value: Any, scope: Scope) -> Any:
    """`value` with every string in its lists and maps rendered. What holds no template is
    returned as it is, and nothing is changed in place. Raises `EvaluationError`, and
    `ExpressionError` for a template that was never validated."""
    return map_strings(value, lambda text: compile_template(text).render(scope))


def map_strings(value: Any, change: Callable[[str], Any]) -> Any:
    """`value` with every string that holds `${{` replaced by `change(string)`; keys of maps
    are left alone. Raises `EvaluationError` beyond `MAX_DEPTH`."""
    return _mapped(value, change, MAX_DEPTH)


def _mapped(value: Any, change: Callable[[str], Any], depth: int) -> Any:
    if isinstance(value, str):
        return change(value) if "${{" in value else value
    if not isinstance(value, dict | list | tuple):
        return value
    if depth == 0:
        raise EvaluationError(f"the value is nested more than {MAX_DEPTH} deep")
    items = value.values() if isinstance(value, dict) else value
    mapped = [_mapped(item, change, depth - 1) for item in items]
    if all(new is old for new, old in zip(mapped, items, strict=True)):
        return value
    if isinstance(value, dict):
        return dict(zip(value, mapped, strict=True))
    return mapped if isinstance(value, list) else tuple(mapped)
