"""Answers of models: found in whatever is around them, and looked at before they are used."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.chains.scripting.answers import Invalid, decoded
from stoker.chains.scripting.block import checked_block
from stoker.chains.scripting.formats import CodeLine, ImportSpec, Interface, ScriptBlock

BLOCK = ScriptBlock((CodeLine("a.b();"),))
JSON = json.dumps({"codelines": [{"line": "a.b();"}]})


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"\n  {JSON}\n",
        f"```json\n{JSON}\n```",
        f"Sure:\n```\n{JSON}\n```\nAnything else?",
        f'I thought of {{"a": 1}}, but: {JSON} is it.',
        f"{{not json}} {JSON}",
        f"```json\n{{broken\n```\n{JSON}",
        '{"codelines": [{"line": "a.b();", "import_spec": null, "remark": "new"}], "x": []}',
    ],
)
def test_the_object_is_found(text: str) -> None:
    assert decoded(text, ScriptBlock) == BLOCK


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("I cannot do this.", "no JSON object"),
        ("[1, 2]", "Expected `object`, got `array`"),
        ('{"lines": []}', "missing required field `codelines`"),
        ('{"codelines": [{"line": 1}]}', r"got `int` - at `\$.codelines\[0\].line`"),
        (JSON[:-3], "Expected `object`|missing required|no JSON object"),
        ("{" * 100_000, "no JSON object"),
    ],
)
def test_what_is_none_is_told_why(text: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        decoded(text, ScriptBlock)


@given(st.text(alphabet='{}[]":,`jsonabc 1\n\\'))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        decoded(text, ScriptBlock)
    except Invalid as error:
        assert str(error)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "it has no lines"),
        ((CodeLine("a();"),) * 201, "more than 200"),
        ((CodeLine("  "),), r"codelines\[0\]: the line is empty"),
        ((CodeLine("a" * 5000),), "5000 characters"),
        ((CodeLine('import "a.sol";'),), "expected a statement"),
        ((CodeLine("pragma solidity ^0.8.0;"),), "expected a statement"),
        ((CodeLine("contract A {}"),), "expected a statement"),
        ((CodeLine("// nothing"),), "expected a statement"),
        ((CodeLine("a();", ImportSpec("A; B", "a.sol")),), "cannot be imported"),
        ((CodeLine("a();", ImportSpec("A", "../../etc/a.sol")),), "cannot be imported"),
        ((CodeLine("a();", ImportSpec("A", "/etc/passwd")),), "cannot be imported"),
        ((CodeLine("a();", None, Interface("I", "")),), "none of those that are known"),
        ((CodeLine("a();", None, Interface("I x", "")),), "no name of an interface"),
        ((CodeLine("a();", None, Interface("I", "interface J {}")),), "does not declare it"),
        (
            (
                CodeLine("a();", None, Interface("I", "interface I { function f() external; }")),
                CodeLine("b();", None, Interface("I", "interface I { function f() view; }")),
            ),
            "I has two of 'function f",
        ),
        ((CodeLine("a();", None, Interface("I", "x" * 50_000)),), "50000 characters"),
    ],
)
def test_blocks_are_bounded_and_statements(lines: tuple[CodeLine, ...], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        checked_block(ScriptBlock(lines), ())


def test_names_that_begin_like_words_of_the_language_are_names() -> None:
    lines = ("contracts.add(1);", "importance = 2;", "usingIt();", "if (a) { b(); }")
    block = ScriptBlock(tuple(map(CodeLine, lines)))
    assert checked_block(block, ()) == block
