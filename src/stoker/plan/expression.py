"""The expression language of `condition`, `skip_if`, `foreach` and `${{ }}`.

A subset of CEL that takes Python's spellings too, without calls and without arithmetic, so
that whatever is written ends at once and touches nothing but the values it is given:

    prev.build.status == 'success' and not (inputs.env in ['dev', 'test'])
    prev['build-app'].outputs.count >= 3 ? 'many' : 'few'

Types are strict: a comparison by size takes two numbers or two strings, `and`, `or`, `not`
and the condition of `? :` take booleans, and a boolean is no number. Values of different
types are never equal, but `1 == 1.0`. A key that a map lacks gives null, and so does every
look-up in null. `in` looks for an item of a list, a key of a map or a part of a string.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from stoker.plan.lexer import ExpressionError, shortened
from stoker.plan.parser import parse
from stoker.plan.syntax import (
    Choice,
    Compare,
    Items,
    Literal,
    Logic,
    Lookup,
    Name,
    Node,
    Not,
    unparse,
    walk,
)
from stoker.plan.values import described, same, type_name

__all__ = [
    "ROOTS",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Scope",
    "compile_expression",
    "evaluate_condition",
    "evaluate_tree",
]

ROOTS: Final = frozenset(("prev", "env", "inputs", "run", "consumes", "item", "matrix", "index"))
"""Names an expression of a plan may begin a look-up with."""

Scope = Mapping[str, Any]
"""Values by root name; each is made of what JSON knows."""


class EvaluationError(Exception):
    """An expression that has no value; the message holds it and the values it met."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Expression(Struct, frozen=True, eq=False):
    """A compiled expression."""

    text: str
    tree: Node
    references: frozenset[tuple[str, ...]]
    """What it looks up, as far as that is constant: `('prev', 'build', 'status')`."""
    _run: Callable[[Scope], Any]

    def evaluate(self, scope: Scope) -> Any:
        """Its value. Takes time linear in the values it looks at. Raises `EvaluationError`."""
        try:
            return self._run(scope)
        except EvaluationError as error:
            raise EvaluationError(f"{error}, in: {shortened(self.text, 200)}") from None


def compile_expression(text: str) -> Expression:
    """Read an expression. Raises `ExpressionError`."""
    return _compiled(text)


@lru_cache(maxsize=4_096)
def _compiled(text: str) -> Expression:
    tree = parse(text)
    return Expression(text, tree, frozenset(references(tree)), _evaluator(tree))


def evaluate_condition(expression: Expression, scope: Scope) -> bool:
    """The value of an expression that must be true or false. Raises `EvaluationError`."""
    value = expression.evaluate(scope)
    if isinstance(value, bool):
        return value
    raise EvaluationError(
        f"a condition is true or false, found {described(value)},"
        f" in: {shortened(expression.text, 200)}"
    )


def evaluate_tree(tree: Node, scope: Scope) -> Any:
    """The value of a tree, for one use. Raises `EvaluationError`."""
    return Expression(unparse(tree), tree, frozenset(), _evaluator(tree)).evaluate(scope)


def references(tree: Node) -> Iterator[tuple[str, ...]]:
    """The constant part of every look-up in `tree`, beginning with its root's name."""
    bases: set[int] = set()
    for node in walk(tree):
        if isinstance(node, Lookup) and isinstance(node.base, Name):
            bases.add(id(node.base))
            path = [node.base.name]
            for key in node.keys:
                if not isinstance(key, Literal) or not isinstance(key.value, str):
                    break
                path.append(key.value)
            yield tuple(path)
        elif isinstance(node, Name) and id(node) not in bases:
            yield (node.name,)


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NO_VALUE: Final = object()


def _evaluator(node: Node) -> Callable[[Scope], Any]:
    """A closure per node: evaluating calls them, without looking at the tree again."""
    match node:
        case Literal(value):
            return lambda scope: value
        case Name(name):
            return lambda scope: _root(scope, name)
        case Lookup(base, keys):
            return _lookup_evaluator(base, keys)
        case Items(items):
            parts = [_evaluator(item) for item in items]
            return lambda scope: [part(scope) for part in parts]
        case Not(operand):
            inner = _boolean(operand, "'not'")
            return lambda scope: not inner(scope)
        case Logic(symbol, operands):
            return _logic_evaluator(symbol, operands)
        case Compare(symbol, left, right):
            return _comparison_evaluator(symbol, left, right)
        case Choice(condition, then, otherwise):
            test = _boolean(condition, "the condition of '? :'")
            first, second = _evaluator(then), _evaluator(otherwise)
            return lambda scope: first(scope) if test(scope) else second(scope)


def _root(scope: Scope, name: str) -> Any:
    try:
        return scope[name]
    except KeyError:
        known = ", ".join(sorted(scope)) or "no name"
        raise EvaluationError(f"unknown name '{name}' (known here: {known})") from None


def _lookup_evaluator(base: Node, keys: tuple[Node, ...]) -> Callable[[Scope], Any]:
    start = _evaluator(base)
    path = [_evaluator(key) for key in keys]

    def run(scope: Scope) -> Any:
        value = start(scope)
        for position, key in enumerate(path):
            wanted = key(scope)
            found = _member(value, wanted)
            if found is _NO_VALUE:
                owner = Lookup(base, keys[:position]) if position else base
                raise EvaluationError(
                    f"cannot look up {described(wanted)} in {_operand(value, owner)}"
                )
            value = found
        return value

    return run


def _member(value: Any, key: Any) -> Any:
    """What `value` holds at `key`; `_NO_VALUE` where that makes no sense."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return value.get(key) if isinstance(key, str) else _NO_VALUE
    if isinstance(value, list | tuple) and type(key) is int and 0 <= key < len(value):
        return value[key]
    return _NO_VALUE


def _operand(value: Any, node: Node) -> str:
    """A value for an error message, with what gave it."""
    text = described(value)
    return text if isinstance(node, Literal | Items) else f"{shortened(unparse(node))} = {text}"


def _boolean(node: Node, who: str) -> Callable[[Scope], bool]:
    evaluate = _evaluator(node)

    def run(scope: Scope) -> bool:
        value = evaluate(scope)
        if isinstance(value, bool):
            return value
        raise EvaluationError(f"{who} needs true or false, found {_operand(value, node)}")

    return run


def _logic_evaluator(symbol: str, operands: tuple[Node, ...]) -> Callable[[Scope], bool]:
    who, decisive = ("'and'", False) if symbol == "&&" else ("'or'", True)
    parts = [_boolean(operand, who) for operand in operands]

    def run(scope: Scope) -> bool:
        for part in parts:
            if part(scope) is decisive:
                return decisive
        return not decisive

    return run


def _comparison_evaluator(symbol: str, left: Node, right: Node) -> Callable[[Scope], bool]:
    first, second = _evaluator(left), _evaluator(right)
    if symbol == "==":
        return lambda scope: same(first(scope), second(scope))
    if symbol == "!=":
        return lambda scope: not same(first(scope), second(scope))
    compare = _contains if symbol == "in" else _ordering(_ORDERS[symbol])
    expected = (
        "'in' needs a list, a map or two strings"
        if symbol == "in"
        else f"'{symbol}' needs two numbers or two strings"
    )

    def run(scope: Scope) -> bool:
        a, b = first(scope), second(scope)
        answer = compare(a, b)
        if answer is None:
            raise EvaluationError(f"{expected}, found {_operand(a, left)} and {_operand(b, right)}")
        return answer

    return run


def _contains(value: Any, container: Any) -> bool | None:
    match type_name(container):
        case "list":
            return any(same(value, item) for item in container)
        case "map":
            return isinstance(value, str) and value in container
        case "string" if isinstance(value, str):
            return value in container
    return None


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool | None]:
    def run(a: Any, b: Any) -> bool | None:
        kind = type_name(a)
        if kind != type_name(b) or kind not in ("number", "string"):
            return None
        return compare(a, b)

    return run
