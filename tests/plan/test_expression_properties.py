"""The expression language under generated input, and held against Google's CEL."""

from __future__ import annotations

import re
from typing import Any

from cel_expr_python import cel
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stoker.plan.expression import (
    EvaluationError,
    ExpressionError,
    compile_expression,
    evaluate_tree,
)
from stoker.plan.lexer import INTEGERS
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
    literal,
    unparse,
    walk,
)
from stoker.plan.values import same

SCOPE: dict[str, Any] = {
    "prev": {
        "a": {"status": "success", "n": 3, "f": 2.5, "ok": True, "none": None},
        "b-c": {"list": [1, "x", None, 2.0, [True]], "map": {"x": 1}},
    },
    "inputs": {"yes": True, "no": False, "text": "x", "in": {"true": 3}},
}
# Every path leads somewhere: CEL makes an error of a missing key.
PATHS = [
    "prev",
    "prev.a.status",
    "prev.a.n",
    "prev.a.f",
    "prev.a.ok",
    "prev.a.none",
    "prev['b-c'].list",
    "prev['b-c'].list[4][0]",
    "prev['b-c'].map",
    "prev['b-c'].map[inputs.text]",
    "inputs.yes",
    "inputs.no",
    "inputs.text",
    "inputs['in']['true']",
]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-4, 4),
    st.integers(INTEGERS[0], INTEGERS[-1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "success", "a'b\\c\n", "${{ }}", "1"]),
    text,
)
ORDERS = ["<", "<=", ">", ">="]
comparisons = st.sampled_from(["==", "!=", *ORDERS, "in"])


def trees(leaves: st.SearchStrategy[Node], lookups: bool) -> st.SearchStrategy[Node]:
    def extend(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(children, min_size=2, max_size=3).map(tuple)
        kinds: list[st.SearchStrategy[Node]] = [
            st.lists(children, max_size=3).map(lambda items: Items(tuple(items))),
            children.map(Not),
            st.builds(Logic, st.sampled_from(["&&", "||"]), several),
            st.builds(Compare, comparisons, children, children),
            st.builds(Choice, children, children, children),
        ]
        if lookups:
            bases = children.map(
                lambda node: Items((node,)) if isinstance(node, Literal | Lookup) else node
            )
            keys = st.one_of(children, text.map(Literal))
            some = st.lists(keys, min_size=1, max_size=3).map(tuple)
            kinds.append(st.builds(Lookup, bases, some))
        return st.one_of(kinds)

    return st.recursive(leaves, extend, max_leaves=12)


any_tree = trees(
    st.one_of(scalars.map(Literal), st.sampled_from(["prev", "a", "_x1", "inn"]).map(Name)),
    lookups=True,
)
operands = st.one_of(scalars.map(Literal), st.sampled_from(PATHS).map(parse))
common_tree = trees(operands, lookups=False)


def paths(*types: type) -> st.SearchStrategy[Node]:
    trees = map(parse, PATHS)
    return st.sampled_from([tree for tree in trees if type(evaluate_tree(tree, SCOPE)) in types])


booleans = st.one_of(st.booleans().map(Literal), paths(bool))
small = st.one_of(st.integers(-4, 4), st.sampled_from([-1.5, 0.0, 2.0, 2.5, 3.0]))
numbers = st.one_of(small.map(Literal), paths(int, float))
strings = st.one_of(st.sampled_from(["", "x", "success", "é"]).map(Literal), paths(str))
items = st.lists(operands, max_size=4).map(lambda nodes: Items(tuple(nodes)))
lists = st.one_of(items, paths(list))


def conditions(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        inner.map(Not),
        st.builds(Logic, st.sampled_from(["&&", "||"]), several),
        st.builds(Choice, inner, inner, inner),
        st.builds(Compare, st.sampled_from(["==", "!="]), inner, inner),
    )


# Well typed, so that each has a value; those of `common_tree` are mostly type errors.
condition_tree = st.recursive(
    st.one_of(
        booleans,
        st.builds(Compare, st.sampled_from(["==", "!="]), operands, operands),
        st.builds(Compare, st.sampled_from(["==", "!="]), lists, lists),
        st.builds(Compare, st.sampled_from(ORDERS), numbers, numbers),
        st.builds(Compare, st.sampled_from(ORDERS), strings, strings),
        st.builds(Compare, st.just("in"), operands, st.one_of(lists, paths(dict))),
    ),
    conditions,
    max_leaves=8,
)

WORDS = [
    "prev", ".", "a", ".b-c", "[", "]", "(", ")", "'x'", '"y"', "1", "-2", "3.5e1", "true", "None",
    "and", "or", "not", "in", "&&", "||", "!", "==", "!=", "<", ">=", "?", ":", ",", "=", "&", "+",
    "'", "\\", "$", "{{", "}}", "é",
]  # fmt: skip
words = st.lists(st.sampled_from(WORDS), max_size=30)


@given(st.one_of(st.text(), words.map(" ".join), words.map("".join)))
@settings(max_examples=500, deadline=None)
@example("'\ud800'")
@example("\u0661 == 1")
def test_any_text_is_an_expression_or_an_expression_error(source: str) -> None:
    try:
        expression = compile_expression(source)
    except ExpressionError as error:
        assert 1 <= error.column <= len(source) + 1
        return
    assert repr(parse(unparse(expression.tree))) == repr(expression.tree)
    try:
        expression.evaluate(SCOPE)
    except EvaluationError as error:
        assert error.message


@given(any_tree)
@settings(max_examples=400, deadline=None)
def test_printed_tree_parses_to_the_same_tree(tree: Node) -> None:
    # Types count, which equality forgets: 1 == True.
    assert repr(parse(unparse(tree))) == repr(tree)


values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.tuples(inner)), max_leaves=10
)


@given(values)
@settings(deadline=None)
def test_a_literal_evaluates_to_its_value(value: Any) -> None:
    tree = literal(value)
    assert same(evaluate_tree(tree, {}), value)
    assert repr(parse(unparse(tree))) == repr(tree)


documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=8,
)


def _canonical(value: Any) -> Any:
    """A value whose Python equality is the language's."""
    if isinstance(value, list):
        return ("list", tuple(map(_canonical, value)))
    if isinstance(value, dict):
        return ("map", frozenset((key, _canonical(item)) for key, item in value.items()))
    return (type(value) if isinstance(value, bool) else "scalar", value)


@given(documents, documents)
@settings(max_examples=300, deadline=None)
def test_equality_is_strict_all_the_way_down(left: Any, right: Any) -> None:
    assert same(left, right) == (_canonical(left) == _canonical(right))
    assert same(left, left)


CEL = cel.NewEnv(variables=dict.fromkeys(SCOPE, cel.Type.DYN))


def _differs_on_purpose(tree: Node, message: str) -> bool:
    """Where this language refuses what CEL takes: CEL orders booleans, and lets an operand
    that decides `&&` or `||` hide another one's error."""
    booleans = r"(?:.* = )?(?:true|false)"
    return any(isinstance(node, Logic) for node in walk(tree)) or bool(
        re.search(f"needs two numbers or two strings, found {booleans} and {booleans}, in", message)
    )


@given(st.one_of(condition_tree, condition_tree, common_tree))
@settings(max_examples=1_000, deadline=None)
def test_agrees_with_cel(tree: Node) -> None:
    source = unparse(tree)
    theirs = CEL.compile(source, disable_check=True).eval(data=SCOPE)
    failed = theirs.type().name() == "ERROR"
    try:
        ours = compile_expression(source).evaluate(SCOPE)
    except EvaluationError as error:
        assert failed or _differs_on_purpose(tree, error.message), source
        return
    if failed:
        # CEL has no `in` for strings.
        assert any(isinstance(node, Compare) and node.operator == "in" for node in walk(tree))
    else:
        assert same(ours, theirs.plain_value()), source
