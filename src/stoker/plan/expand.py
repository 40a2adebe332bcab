"""What a `foreach` or `matrix` step becomes: one child per item.

What a child says about `item`, `matrix` and `index` is known here and is written into it;
what it says about `prev`, `inputs` and so on is known only when it runs and stays as it is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from msgspec.structs import replace

from stoker.plan.expression import (
    EvaluationError,
    Expression,
    ExpressionError,
    Scope,
    compile_expression,
    evaluate_tree,
)
from stoker.plan.model import Approval, Scalar, Step
from stoker.plan.parser import parse
from stoker.plan.references import has_template
from stoker.plan.step_rules import MAX_ID
from stoker.plan.syntax import Literal, Lookup, Name, Node, literal, transform, unparse, walk
from stoker.plan.template import as_text, compile_template, escape, map_strings
from stoker.plan.values import described, same

MAX_CHILDREN: Final = 10_000
MAX_LABEL: Final = 80
"""Characters of an item that may stand in a child's id."""
_MAX_MATCHES: Final = 1_000_000
"""Combinations times `include` and `exclude` entries: bounds the time `axes` takes."""


class ExpansionError(Exception):
    """A `foreach` or `matrix` that cannot become steps; the message says where and why."""


def axes(matrix: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The combinations a matrix stands for, as GitHub Actions reads it: every axis with every
    other, less what an `exclude` entry matches; then each `include` entry extends the
    combinations whose axes it does not contradict, or is one of its own where there are none.
    Raises `ExpansionError`."""
    lists = {name: axis for name, axis in matrix.items() if name not in ("include", "exclude")}
    for name, axis in lists.items():
        if not isinstance(axis, list | tuple):
            raise ExpansionError(f"matrix.{name}: expected a list, found {described(axis)}")
    exclude, include = _entries(matrix, "exclude"), _entries(matrix, "include")
    for entry in exclude:
        if unknown := [name for name in entry if name not in lists]:
            raise ExpansionError(f"matrix.exclude: '{unknown[0]}' is not an axis of the matrix")
    size = math.prod(map(len, lists.values())) if lists else 0
    _check_count(size, "matrix")
    if size * (len(exclude) + len(include)) > _MAX_MATCHES:
        raise ExpansionError("matrix: too many include and exclude entries")

    def matches(combination: dict[str, Any], entry: dict[str, Any]) -> bool:
        return all(same(combination[name], entry[name]) for name in lists if name in entry)

    combinations = [dict(zip(lists, row, strict=True)) for row in product(*lists.values())]
    kept = [
        combination
        for combination in combinations
        if lists and not any(matches(combination, entry) for entry in exclude)
    ]
    added = []
    for entry in include:
        extra = {name: value for name, value in entry.items() if name not in lists}
        extended = [combination for combination in kept if matches(combination, entry)]
        for combination in extended:
            combination.update(extra)
        if not extended:
            added.append(dict(entry))
    _check_count(len(kept) + len(added), "matrix")
    return kept + added


def expand(step: Step, items: Sequence[Any]) -> tuple[Step, ...]:
    """The children of a `foreach` step, or of a `matrix` step given its `axes`.

    A child is the step without `foreach` and `matrix`, and without `provides`: what the step
    promises is given once, by the step itself, as the list of what its children gave.
    Dependencies are the step's. Ids are `build[linux]` or `test[py=3.11,os=linux]` where every
    item is a short scalar (and, in a `foreach`, no two look alike), else `build[0]`.
    Raises `ExpansionError`: two equal combinations, more than `MAX_CHILDREN` items, or an
    expression that has no value for an item.
    """
    if step.foreach is not None and step.matrix is not None:
        raise ExpansionError(f"step '{step.id}': has both foreach and matrix, expected one")
    _check_count(len(items), f"step '{step.id}'")
    root = "item" if step.matrix is None else "matrix"
    ids = child_ids(step, items)
    return tuple(
        _child(step, child_id, {root: item, "index": index})
        for index, (child_id, item) in enumerate(zip(ids, items, strict=True))
    )


def _entries(matrix: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    entries = matrix.get(name) or ()
    if isinstance(entries, list | tuple) and all(isinstance(e, dict) and e for e in entries):
        return list(entries)
    raise ExpansionError(
        f"matrix.{name}: expected a list of maps that are not empty, found {described(entries)}"
    )


def _check_count(count: int, where: str) -> None:
    if count > MAX_CHILDREN:
        raise ExpansionError(f"{where}: expands to {count} steps, at most {MAX_CHILDREN} may be")


def literal_items(step: Step) -> Sequence[Any] | None:
    """The items a step is expanded to, as `expand` takes them; None if the step is not
    expanded, or if only a run can tell. Raises `ExpansionError`."""
    if step.matrix is not None:
        return None if has_template(step.matrix) else axes(step.matrix)
    if not isinstance(step.foreach, tuple):
        return None
    _check_count(len(step.foreach), f"step '{step.id}'")
    return None if has_template(step.foreach) else step.foreach


def child_ids(step: Step, items: Sequence[Any]) -> list[str]:
    """The ids of the children, by item; see `expand`. Raises `ExpansionError`."""
    labels = [_label(item) if step.matrix is None else _combination_label(item) for item in items]
    named = [f"{step.id}[{label}]" for label in labels if label is not None]
    if len(named) == len(items) and all(len(name) <= MAX_ID for name in named):
        if len(set(named)) == len(named):
            return named
        if step.matrix is not None:
            twice, _ = Counter(named).most_common(1)[0]
            raise ExpansionError(f"step '{step.id}': two of its children would be '{twice}'")
    if len(longest := f"{step.id}[{len(items) - 1}]") > MAX_ID:
        raise ExpansionError(f"step '{step.id}': the id '{longest}' exceeds {MAX_ID} characters")
    return [f"{step.id}[{index}]" for index in range(len(items))]


def _label(item: Any) -> str | None:
    """What stands for an item in an id; None for what is too long or no plain word."""
    if not isinstance(item, str | int | float | None):
        return None
    text = "null" if item is None else as_text(item)
    fits = 0 < len(text) <= MAX_LABEL and text.isprintable() and not set(text) & set("/[]")
    return text if fits else None


def _combination_label(combination: Mapping[str, Any]) -> str | None:
    parts = [f"{name}={_label(value)}" for name, value in combination.items()]
    if any(_label(value) is None for value in combination.values()):
        return None
    return _label(",".join(parts))


# The fields of a step that are templates, in which a value is always text.
_TEMPLATES = (
    "name",
    "description",
    "command",
    "run",
    "cwd",
    "env",
    "stdin",
    "locks",
    "resources",
    "inputs_files",
    "outputs_files",
    "tool",
    "tags",
)


def _child(step: Step, child_id: str, scope: Scope) -> Step:
    field = ""

    def bind_text(text: str) -> str:
        return _bind_template(text, scope)

    try:
        changes: dict[str, Any] = {}
        for field in _TEMPLATES:
            changes[field] = map_strings(getattr(step, field), bind_text)
        field = "args"
        changes[field] = tuple(_bind_args(step, scope))
        field = "step_def"
        changes[field] = map_strings(step.step_def, lambda text: _bind_value(text, scope))
        field = "condition"
        changes[field] = _bind_condition(step.condition, scope)
        field = "skip_if"
        changes[field] = (
            tuple(_bind_condition(text, scope) for text in step.skip_if)
            if isinstance(step.skip_if, tuple)
            else _bind_condition(step.skip_if, scope)
        )
        field = "approval"
        if isinstance(step.approval, Approval):
            prompt = map_strings(step.approval.prompt, bind_text)
            changes[field] = replace(step.approval, prompt=prompt)
    except (EvaluationError, ExpressionError) as error:
        raise ExpansionError(f"step '{child_id}', {field}: {error}") from None
    return replace(step, id=child_id, foreach=None, matrix=None, provides=(), **changes)


def _bind_args(step: Step, scope: Scope) -> Iterator[Scalar]:
    """A list that stands alone gives many arguments, but not within a shell line; a kind
    does the same with what is rendered when the child runs."""
    for arg in step.args:
        if not isinstance(arg, str) or "${{" not in arg:
            yield arg
        elif step.shell:
            yield _bind_template(arg, scope)
        else:
            value = _bind_value(arg, scope)
            yield from map(as_text, value if isinstance(value, list | tuple) else (value,))


def _is_bound(expression: Expression, scope: Scope) -> bool:
    """Whether all that `expression` looks up is in `scope`, and there is something."""
    roots = {path[0] for path in expression.references}
    return bool(roots) and roots <= scope.keys()


def _bind_value(text: str, scope: Scope) -> Any:
    """Like `_bind_template`, but one bound expression alone becomes its value."""
    parts = compile_template(text).parts
    if len(parts) == 1 and isinstance(parts[0], Expression) and _is_bound(parts[0], scope):
        return map_strings(parts[0].evaluate(scope), escape)
    return _bind_template(text, scope)


def _bind_template(text: str, scope: Scope) -> str:
    """`text` with the names in `scope` replaced by their values. What the values hold is
    escaped: it is never read as a template."""
    template = compile_template(text)
    if all(path[0] not in scope for path in template.references):
        return text
    bound, pending = "", ""
    for part in template.parts:
        if isinstance(part, str):
            pending += part
        elif _is_bound(part, scope):
            pending += as_text(part.evaluate(scope))
        else:
            # A dollar before '${{' would escape it.
            plain = pending.rstrip("$")
            dollars = pending[len(plain) :]
            bound += escape(plain) + (f"${{{{ '{dollars}' }}}}" if dollars else "")
            bound += f"${{{{ {_bind_expression(part, scope)} }}}}"
            pending = ""
    return bound + escape(pending)


def _bind_condition(text: str | None, scope: Scope) -> str | None:
    return None if text is None else _bind_expression(compile_expression(text), scope)


def _bind_expression(expression: Expression, scope: Scope) -> str:
    """The text of `expression` with the names in `scope` replaced by their values."""
    if all(path[0] not in scope for path in expression.references):
        return expression.text
    try:
        bound = unparse(_bind(expression.tree, scope))
        parse(bound)  # is it within the limits?
    except ValueError:
        reason = "a map, a very long value or a number out of range"
    except ExpressionError as error:
        reason = error.message
    else:
        return bound
    raise EvaluationError(f"the item cannot be written into '{expression.text}': {reason}")


def _bind(node: Node, scope: Scope) -> Node:
    """Only look-ups are evaluated, so that a child's condition still shows what is compared
    and fails, if it does, in the child. What looks up something that cannot be written, such
    as a map, is evaluated with the smallest part around it that gives something that can."""
    if isinstance(node, Literal):
        return node
    roots = {inner.name for inner in walk(node) if isinstance(inner, Name)}
    if not roots & scope.keys():
        return node
    is_bound = roots <= scope.keys()
    if is_bound and isinstance(node, Name | Lookup):
        return literal(evaluate_tree(node, scope))
    try:
        return transform(node, lambda child: _bind(child, scope))
    except ValueError:
        if not is_bound:
            raise
        return literal(evaluate_tree(node, scope))
