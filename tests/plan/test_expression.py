"""The expression language, case by case."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from stoker.plan.expression import (
    ROOTS,
    EvaluationError,
    ExpressionError,
    compile_expression,
    evaluate_condition,
)
from stoker.plan.lexer import MAX_LENGTH
from stoker.plan.syntax import MAX_DEPTH, MAX_NODES, unparse

SCOPE = {
    "prev": {
        "build": {
            "status": "success",
            "exit_code": 0,
            "outputs": {"count": 3, "files": ["a.py", "b.py"], "meta": {"size": 2.5}, "ok": True},
        },
        "build-app": {"status": "failed", "exit_code": 1, "outputs": {}},
        "test[py=3.11]": {"status": "skipped"},
    },
    "env": MappingProxyType({"HOME": "/home/me"}),
    "inputs": {"n": 4, "name": "it's", "deep": {"in": {"true": [[1, 2], {"x": None}]}}},
    "run": {"id": "r1"},
}


def value(text: str) -> object:
    return compile_expression(text).evaluate(SCOPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # literals
        ("1", 1),
        ("-7", -7),
        ("2.50", 2.5),
        ("1e3", 1000.0),
        ("9223372036854775807", 2**63 - 1),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("[]", []),
        ("[1, 'a', [null],]", [1, "a", [None]]),
        (r"'a\n\'\"\\\x41\u00e9\U0001F600'", "a\n'\"\\Aé😀"),
        ('"it\'s"', "it's"),
        # look-up
        ("prev.build.status", "success"),
        ("prev.build-app.status", "failed"),
        ("prev['build-app'].status", "failed"),
        ('prev["test[py=3.11]"].status', "skipped"),
        ("prev.build.outputs.files[1]", "b.py"),
        ("inputs.deep.in.true[0][1]", 2),
        ("prev . build . outputs [ 'count' ]", 3),
        ("(prev.build).outputs.meta.size", 2.5),
        ("[10, 20][1]", 20),
        ("env.HOME", "/home/me"),
        ("env.ABSENT", None),
        ("prev.build.outputs.absent", None),
        ("prev.absent.outputs.x[0]", None),
        ("inputs[run.id]", None),
        # comparison
        ("1 == 1.0", True),
        ("true == 1", False),
        ("[true] == [1]", False),
        ("[1, [2.0]] == [1.0, [2]]", True),
        ("inputs.deep == inputs.deep", True),
        ("prev.build == prev.build-app", False),
        ("'1' == 1", False),
        ("'1' != 1", True),
        ("null == env.ABSENT", True),
        ("'a' < 'b'", True),
        ("2 <= 2.0", True),
        ("3 > inputs.n", False),
        ("prev.build.outputs.count >= 3", True),
        # membership
        ("'a.py' in prev.build.outputs.files", True),
        ("1 in [true, '1']", False),
        ("1 in [2, 1.0]", True),
        ("[1] in [[1]]", True),
        ("'HOME' in env", True),
        ("1 in env", False),
        ("'ess' in prev.build.status", True),
        ("'x' not in 'abc'", True),
        # logic, in both spellings and precedences
        ("true and not false", True),
        ("true && !false", True),
        ("false or true and false", False),
        ("(true or true) and false", False),
        ("not 1 == 2", True),
        ("!true == false", True),
        ("not 'a' in 'b'", True),
        ("not not true", True),
        ("!!true", True),
        ("false and 1", False),
        ("true or prev < 3", True),
        # choice
        ("true ? 1 : 2", 1),
        ("false ? 1 : true ? 2 : 3", 2),
        ("true ? false ? 1 : 2 : 3", 2),
        ("false or true ? 'a' : 'b'", "a"),
        ("1 < 2 ? 'few' : prev < 1", "few"),
        ("\n prev.build.status\t==\r\n 'success'", True),
    ],
)
def test_value(text: str, expected: object) -> None:
    result = value(text)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected a value, found the end"),
        ("  ", 3, "expected a value, found the end"),
        ("1 +1", 3, "no arithmetic"),
        ("1 -1", 3, "expected an operator or the end, found '-1'"),
        ("a and", 6, "expected a value, found the end"),
        ("a = 1", 3, "'==' compares"),
        ("a & b", 3, "expected '&&' or 'and'"),
        ("a | b", 3, "expected '||' or 'or'"),
        ("'abc", 1, "not closed"),
        ("'a\nb'", 1, "not closed"),
        (r"'ab\q'", 4, r"unknown escape \q"),
        (r"'\U00110000'", 2, "unknown escape"),
        (r"'\ud800'", 1, "surrogate"),
        ("prev.", 5, "expected a name after the dot"),
        ("prev.1", 5, "expected a name after the dot"),
        ("prev['a'", 9, "expected an operator or ']'"),
        ("(1", 3, "expected an operator or ')'"),
        ("[1 2]", 4, "',' or ']'"),
        ("[,]", 2, "expected a value, found ','"),
        ("true ? 1", 9, "expected ':'"),
        ("1 < 2 < 3", 7, "do not chain"),
        ("1 == 2 not in 3", 8, "do not chain"),
        ("1 not 2", 7, "expected 'in' after 'not', found '2'"),
        ("1 == not true", 6, "put 'not ...' in parentheses"),
        ("9223372036854775808", 1, "64 bits"),
        ("9" * 4000, 1, "64 bits"),
        ("1e999", 1, "too large"),
        ("${{ prev.a }}", 1, "without '${{ }}'"),
        ("{'a': 1}", 1, "no map literals"),
        ("size(x)", 5, "expressions have no calls"),
        ("'abc'.x", 1, "nothing can be looked up in 'abc'"),
        ("(1)[0]", 1, "nothing can be looked up in 1"),
        ("x" * (MAX_LENGTH + 1), 1, f"at most {MAX_LENGTH}"),
        ("[" + "1," * MAX_NODES + "]", 1, f"at most {MAX_NODES}"),
        ("(" * 60 + "1" + ")" * 60, MAX_DEPTH + 1, f"more than {MAX_DEPTH} deep"),
    ],
)
def test_syntax_error(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert message in caught.value.message
    assert caught.value.column == column
    assert str(caught.value) == f"column {column}: {caught.value.message}"


HOSTILE = [
    "().__class__",
    "''.__class__.__mro__[1].__subclasses__()",
    "().__class__.__bases__[0].__subclasses__()",
    "[].__class__",
    "prev.__class__.__init__.__globals__()",
    "__import__('os').system('id')",
    "open('/etc/passwd').read()",
    "(lambda: 1)()",
    "lambda: 1",
    "[x for x in [1] for y in [2]]",
    "[1, 2].map(x, [1, 2].map(y, x))",
    "prev.all(x, true)",
    "9**9**9",
    "9 ^ 9",
    "'a' * 1000000000",
    "1 << 1000000",
    "'{0.__class__}'.format(prev)",
    "'%s' % prev",
    "f'{prev}'",
    "prev := 1",
    "prev if true else env",
    "eval('1')",
    "`id`",
    "$(id)",
    "1; 2",
    "import os",
    "r'x'.y",
    "{{ 7 }}",
    "\x00",
    "é == 1",
    "!" * 5000,
    "!" * 60 + "true",
    "not " * 60 + "true",
    "[" * 3000,
    "(" * 3000 + ")" * 3000,
    "a[" * 60 + "0" + "]" * 60,
    "true ? " * 500 + "1" + " : 2" * 500,
    "1 == " * 700 + "1",
    "a or " * 600 + "a",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises((ExpressionError, EvaluationError)):
        value(text)


def test_members_are_keys_and_never_attributes() -> None:
    assert value("prev.__class__") is None
    assert value("prev.build.items") is None


def test_long_chains_are_not_deep() -> None:
    assert value(" or ".join(["false"] * 100 + ["true"])) is True
    assert value("prev" + ".x" * 200) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("inputs.n < 'x'", ("'<' needs two numbers or two strings", "inputs.n = 4 (a number)")),
        ("true < false", ("'<' needs two numbers or two strings", "found true and false")),
        ("null > 3", ("'>' needs", "found null and 3 (a number)")),
        ("prev.build.status and true", ("'and' needs true or false", "'success' (a string)")),
        ("false or 0", ("'or' needs true or false, found 0 (a number)",)),
        ("not inputs.name", ("'not' needs true or false", r"inputs.name = 'it\'s' (a string)")),
        ("1 ? 2 : 3", ("the condition of '? :' needs true or false",)),
        ("1 in 2", ("'in' needs a list, a map or two strings",)),
        ("1 in 'abc'", ("'in' needs", "found 1 (a number) and 'abc' (a string)")),
        ("prev.build.status.x", ("cannot look up 'x' (a string) in prev.build.status = ",)),
        ("prev.build.outputs.files[2]", ("cannot look up 2", "['a.py', 'b.py'] (a list)")),
        ("prev.build.outputs.files[-1]", ("cannot look up -1",)),
        ("prev.build.outputs.files['0']", ("cannot look up '0'",)),
        ("prev.build.outputs.files[true]", ("cannot look up true",)),
        ("prev[1]", ("cannot look up 1 (a number) in prev = {'build': {",)),
        ("[].__class__", ("cannot look up '__class__' (a string) in [] (a list)",)),
        ("[prev][0][0]", ("in [prev][0] = {",)),
        ("item.x", ("unknown name 'item' (known here: env, inputs, prev, run)",)),
    ],
)
def test_evaluation_error_holds_the_expression_and_the_values(
    text: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(EvaluationError) as caught:
        value(text)
    for part in parts:
        assert part in caught.value.message
    assert caught.value.message.endswith(f", in: {text}")


def test_long_values_are_cut_in_messages() -> None:
    scope = {
        "prev": {
            "text": "x" * 100_000,
            "list": [list(range(100_000))] * 1_000,
            "map": {str(key): key for key in range(100_000)},
            "number": 10**10_000,
        }
    }
    for name in scope["prev"]:
        with pytest.raises(EvaluationError) as caught:
            compile_expression(f"prev.{name} and true").evaluate(scope)
        assert "…" in caught.value.message
        assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "prev.a.status == 'success' and inputs.n > 3",
            {("prev", "a", "status"), ("inputs", "n")},
        ),
        ("prev['a-b'].outputs.list[0].x", {("prev", "a-b", "outputs", "list")}),
        ("prev[item.name].status", {("prev",), ("item", "name")}),
        ("run", {("run",)}),
        ("run == run.id", {("run",), ("run", "id")}),
        ("(prev.a).b ? [env.X] : !matrix.y", {("prev", "a", "b"), ("env", "X"), ("matrix", "y")}),
        ("1 in [2]", set()),
    ],
)
def test_references(text: str, expected: set[tuple[str, ...]]) -> None:
    found = compile_expression(text).references
    assert found == expected
    assert {path[0] for path in found} <= ROOTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a and b or not c", "a && b || !c"),
        ("a and (b or c)", "a && (b || c)"),
        ("(a and b) and c", "(a && b) && c"),
        ("not (a == b)", "!(a == b)"),
        ("not a == b", "!(a == b)"),
        ("!a == b", "!a == b"),
        ("a not in [1,-2.0]", "!(a in [1, -2.0])"),
        ("(a ? b : c) ? d : (e ? f : g)", "(a ? b : c) ? d : e ? f : g"),
        ("prev.x-y['z'].in[0]", "prev['x-y'].z['in'][0]"),
        (r'"it\'s\x07 é\u2028"', r"'it\'s\u0007 é\u2028'"),
        ("[None, True]", "[null, true]"),
    ],
)
def test_printed(text: str, expected: str) -> None:
    assert unparse(compile_expression(text).tree) == expected


def test_condition_must_be_a_boolean() -> None:
    assert evaluate_condition(compile_expression("inputs.n == 4"), SCOPE) is True
    with pytest.raises(EvaluationError, match=r"true or false, found 4 \(a number\), in: inputs.n"):
        evaluate_condition(compile_expression("inputs.n"), SCOPE)
    with pytest.raises(EvaluationError, match=r"found null, in: env\.ABSENT"):
        evaluate_condition(compile_expression("env.ABSENT"), SCOPE)
