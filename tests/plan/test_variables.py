from __future__ import annotations

from typing import Any

import pytest

from stoker.plan.source import parse
from stoker.plan.variables import substitute


def replaced(text: str, **variables: str) -> tuple[Any, list[str]]:
    value, problems = substitute(parse(text, name="p.yaml"), variables)
    return value, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NAME}", "v"),
        ("a${NAME}b${NAME}c", "avbvc"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("${{ inputs.NAME }}", "${{ inputs.NAME }}"),
        ("$${{ NAME }}", "$${{ NAME }}"),
        ("${NAME:-x} $NAME ${1}", "${NAME:-x} $NAME ${1}"),
    ],
)
def test_substitution(text: str, expected: str) -> None:
    assert replaced(f"[['{text}'], '${{NAME}}']", NAME="v") == ([[expected], "v"], [])


def test_values_are_not_substituted_again_and_keys_never() -> None:
    value, problems = replaced("a: &x {'${A}': '${A}'}\nb: *x", A="${B}", B="no")
    assert value == {"a": {"${A}": "${B}"}, "b": {"${A}": "${B}"}}
    assert problems == ["warning: the variable 'B' is given but used nowhere"]


def test_escapes_spell_variables_too() -> None:
    assert replaced(r'["\u0024{A}"]', A="v") == (["v"], [])


def test_every_place_of_a_missing_variable_is_told() -> None:
    text = "globals: {cwd: '${HOMES}'}\nsteps: [{args: ['${HOMES}', '${HOMES}${X}']}]"
    _, problems = replaced(text, HOME="/h")
    missing = [p for p in problems if "is not given" in p]
    assert len(missing) == 4
    assert missing[0].startswith("globals.cwd: the variable 'HOMES' is not given (did you mean")
    assert "--var X=VALUE" in missing[3]


def test_shell_text_keeps_what_is_not_given() -> None:
    text = "steps: [{run: '${A} ${B}', stdin: '${B}', step_def: {script: '${B}', run: '${B}'}}]"
    value, problems = replaced(text, A="v")
    assert value["steps"] == [
        {"run": "v ${B}", "stdin": "${B}", "step_def": {"script": "${B}", "run": "${B}"}}
    ]
    assert problems == []
    assert len(replaced("- {run: '${A}', step_def: {url: '${A}'}}")[1]) == 1
