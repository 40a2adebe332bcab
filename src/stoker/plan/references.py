"""Which texts of a step are expressions and templates, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from stoker.plan.model import Approval, Step

_encode = msgspec.json.Encoder().encode

Path = tuple[str | int, ...]
Reference = tuple[str, ...]
"""A constant look-up: `("prev", "build", "status")`."""


def expressions(step: Step) -> Iterator[tuple[Path, str]]:
    """The step's expressions, by their path in the step."""
    if step.condition is not None:
        yield ("condition",), step.condition
    if isinstance(step.skip_if, str):
        yield ("skip_if",), step.skip_if
    elif step.skip_if is not None:
        for index, text in enumerate(step.skip_if):
            yield ("skip_if", index), text
    if isinstance(step.foreach, str):
        yield ("foreach",), step.foreach


def templates(step: Step) -> Iterator[tuple[Path, str]]:
    """The step's strings that hold `${{`, by their path in the step."""
    # Every step of a big plan comes through here: the fields are asked by name, and only
    # what may hold a template is walked.
    if step.command is not None and "${{" in step.command:
        yield ("command",), step.command
    if step.run is not None and "${{" in step.run:
        yield ("run",), step.run
    if step.cwd is not None and "${{" in step.cwd:
        yield ("cwd",), step.cwd
    if step.stdin is not None and "${{" in step.stdin:
        yield ("stdin",), step.stdin
    if step.args:
        yield from strings(step.args, ("args",))
    if step.env:
        yield from strings(step.env, ("env",))
    if step.step_def is not None:
        yield from strings(step.step_def, ("step_def",))
    if step.locks:
        yield from strings(step.locks, ("locks",))
    if step.inputs_files:
        yield from strings(step.inputs_files, ("inputs_files",))
    if step.outputs_files:
        yield from strings(step.outputs_files, ("outputs_files",))
    if step.foreach is not None or step.matrix is not None:
        if not isinstance(step.foreach, str):  # an expression, not a template
            yield from strings(step.foreach, ("foreach",))
        yield from strings(step.matrix, ("matrix",))
        yield from strings(step.name, ("name",))
        yield from strings(step.description, ("description",))
    if isinstance(step.approval, Approval):
        yield from strings(step.approval.prompt, ("approval", "prompt"))


def strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The strings in `value` that hold `${{`, at any depth."""
    if type(value) is str:
        if "${{" in value:
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from strings(item, (*path, index))


def has_template(value: Any) -> bool:
    """Whether any string in `value` has to be rendered (if only to resolve an escape)."""
    return any(True for _ in strings(value, ()))


def may_hold_templates(value: Any) -> bool:
    """False if no string in `value` holds `${{`: told at a fraction of what looking at each
    costs, and most plans have none."""
    try:
        return b"${{" in _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return True  # JSON cannot say it


def has_expression(step: Step) -> bool:
    """Whether `expressions` finds any."""
    return not (step.condition is None and step.skip_if is None and step.foreach is None)


def references(step: Step) -> set[Reference]:
    """All the step looks up. A text that does not parse refers to nothing."""
    from stoker.plan.expression import ExpressionError, compile_expression
    from stoker.plan.template import compile_template

    found: set[Reference] = set()
    for compiled, texts in ((compile_expression, expressions), (compile_template, templates)):
        for _, text in texts(step):
            with suppress(ExpressionError):
                found |= compiled(text).references
    return found


def step_named(name: str, known: Any) -> str | None:
    """The step of the plan that `prev.<name>` means: itself, or the one that `name` is a
    child of (`build[linux]` of `build`); None if there is none. `known` has all ids."""
    if name in known:
        return name
    parent = name.partition("[")[0]
    return parent if name.endswith("]") and parent in known else None
