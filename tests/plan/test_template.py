"""Templates: text with expressions in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.plan.expression import EvaluationError, ExpressionError
from stoker.plan.references import has_template
from stoker.plan.template import (
    MAX_DEPTH,
    as_text,
    compile_template,
    escape,
    render_value,
)

SCOPE = {
    "inputs": {"n": 3, "name": "Ann", "list": [1, "é", None], "map": {"a": {"b": 1.5}}, "yes": True}
}


@pytest.mark.parametrize(
    ("text", "value", "rendered"),
    [
        ("plain", "plain", "plain"),
        ("", "", ""),
        ("${{ inputs.n }}", 3, "3"),
        ("${{inputs.list}}", SCOPE["inputs"]["list"], '[1,"é",null]'),
        ("${{ inputs.map }}", SCOPE["inputs"]["map"], '{"a":{"b":1.5}}'),
        ("${{ inputs.absent }}", None, ""),
        ("${{ inputs.yes }}", True, "true"),
        ("${{ 2.50 }}", 2.5, "2.5"),
        ("${{ inputs.n }}\n", "3\n", "3\n"),
        ("a ${{ inputs.name }} b ${{ inputs.n }}${{ null }}.", "a Ann b 3.", "a Ann b 3."),
        ("${{ '}}' }}", "}}", "}}"),
        ('${{ "\'}}" }}', "'}}", "'}}"),
        (r"${{ '\'}}' }}", "'}}", "'}}"),
        ("$${{ inputs.n }}", "${{ inputs.n }}", "${{ inputs.n }}"),
        ("$$${{ inputs.n }}", "$${{ inputs.n }}", "$${{ inputs.n }}"),
        ("$${{ ${{ inputs.n }}", "${{ 3", "${{ 3"),
        ("${{ '$' }}${{ inputs.n }}", "$3", "$3"),
        ("${NAME} $NAME {{ x }} }}", "${NAME} $NAME {{ x }} }}", "${NAME} $NAME {{ x }} }}"),
        ("${{ inputs.n\n  > 2\n}}", True, "true"),
    ],
)
def test_render(text: str, value: Any, rendered: str) -> None:
    template = compile_template(text)
    result = template.render(SCOPE)
    assert result == value
    assert type(result) is type(value)
    assert template.render_text(SCOPE) == rendered


def test_a_template_knows_what_it_looks_up() -> None:
    template = compile_template("a ${{ inputs.n }} ${{ prev['b-c'].outputs.x }} $${{ env.X }}")
    assert template.references == {("inputs", "n"), ("prev", "b-c", "outputs", "x")}
    assert compile_template("$${{ env.X }}").parts == ("${{ env.X }}",)
    assert compile_template("").parts == ()


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("ab ${{ inputs.n", 4, "not closed"),
        ("${{ 'a }}", 1, "not closed"),
        ("${{ a }} ${{ b }", 10, "not closed"),
        ("${{ }}", 5, "expected a value"),
        ("x ${{  1 + 1 }}", 10, "no arithmetic"),
        ("x ${{ ${{ a }} }}", 7, "unexpected '$'"),
        ("${{ a() }}", 6, "no calls"),
    ],
)
def test_an_error_tells_its_column_in_the_whole_text(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(text)
    assert (caught.value.column, message in caught.value.message) == (column, True)


@pytest.mark.parametrize("value", [object(), 10**5_000, {"a": object()}], ids=range(3))
def test_what_json_cannot_hold_is_no_text(value: Any) -> None:
    with pytest.raises(EvaluationError, match="cannot be written as text"):
        as_text(value)


def test_render_value_walks_lists_and_maps() -> None:
    value = {
        "a": ["${{ inputs.n }}", {"b": "n=${{ inputs.n }}", "${{ key }}": 1}],
        "t": ("x", "$${{ y }}"),
        "same": {"deep": [1, None, "text"]},
    }
    before = repr(value)
    result = render_value(value, SCOPE)
    assert result == {
        "a": [3, {"b": "n=3", "${{ key }}": 1}],
        "t": ("x", "${{ y }}"),
        "same": {"deep": [1, None, "text"]},
    }
    assert repr(value) == before
    assert result["same"] is value["same"]


def test_render_value_returns_what_holds_no_template_itself() -> None:
    value = {"a": [1, {"b": ("x", None)}]}
    assert render_value(value, {}) is value


def test_render_value_is_bounded_in_depth() -> None:
    value: Any = "${{ inputs.n }}"
    for _ in range(MAX_DEPTH):
        value = [value]
    render_value(value, SCOPE)
    with pytest.raises(EvaluationError, match=f"more than {MAX_DEPTH} deep"):
        render_value([value], SCOPE)


def test_what_is_rendered_is_not_rendered_again() -> None:
    scope = {"prev": {"a": "${{ inputs.secret }}"}, "inputs": {"secret": "s3cret"}}
    assert render_value(["${{ prev.a }}", "x ${{ prev.a }}"], scope) == [
        "${{ inputs.secret }}",
        "x ${{ inputs.secret }}",
    ]


def test_has_template() -> None:
    assert has_template({"a": [1, ("x ${{ y }}",)]})
    assert has_template("$${{ escaped }}")
    assert not has_template({"${{ key }}": [1, None, "${x}", "{{ y }}"]})
    assert not has_template(None)


def test_long_runs_of_dollars_and_braces_take_linear_time() -> None:
    for text in ("$" * 1_000_000, "${" * 500_000, "$${{" * 250_000):
        assert not compile_template(text).references
    with pytest.raises(ExpressionError):
        compile_template("${{ " + "}'a' " * 200_000)


@given(st.text(st.sampled_from("${} a'\"")))
def test_escaped_text_renders_as_it_was(text: str) -> None:
    template = compile_template(escape(text))
    assert template.render({}) == text


@given(st.text(st.sampled_from("${} a'\"\\")))
def test_any_text_is_a_template_or_an_expression_error(text: str) -> None:
    try:
        template = compile_template(text)
    except ExpressionError as error:
        assert 1 <= error.column <= len(text) + 1
        assert "${{" in text
    else:
        assert isinstance(template.render_text({"a": "x"}), str)
