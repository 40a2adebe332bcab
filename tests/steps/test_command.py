"""Kinds `command` and `shell`, and the short spellings of both."""

import asyncio
import sys

import msgspec
import pytest

from stoker.engine.registry import kind_of
from stoker.plan.model import Step
from stoker.steps.registry import kinds

ECHO = "import sys; print(sys.argv[1:], sys.stdin.read())"


def test_arguments_reach_the_program_as_they_are(carry):
    hostile = ["a b", "*", "$HOME", "`id`", "\n", "", "--", "ü"]
    outcome = carry("command", command=sys.executable, args=["-c", ECHO, *hostile])
    assert outcome.result.error is None
    assert outcome.out.strip() == str(hostile)


def test_arguments_that_are_not_text(carry):
    args = [1, 2.5, True, None, ["x", 3, {"k": [1]}], {"m": "ü"}]
    outcome = carry("command", command=sys.executable, args=["-c", ECHO, *args])
    texts = ["1", "2.5", "true", "", "x", "3", '{"k":[1]}', '{"m":"ü"}']
    assert outcome.out.strip() == str(texts)


def test_stdin_of_the_definition_wins_over_the_steps(carry):
    step = Step(id="s", stdin="outer", step_def={"type": "command", "command": "cat"})
    assert asyncio.run(carry.run(step)).out == "outer"
    step = Step(id="s", stdin="outer", step_def={**step.step_def, "stdin": "inner"})
    assert asyncio.run(carry.run(step)).out == "outerinner"


def test_exit_code_is_told(carry):
    outcome = carry("shell", run="exit 7")
    assert (outcome.result.exit_code, outcome.result.error) == (7, "exit code 7")


def test_no_shell_means_no_expansion_and_shell_means_expansion(carry, write):
    write("one.txt", "")
    direct = Step(id="s", command="echo", args=("*.txt", "&&", "echo", 3))
    assert asyncio.run(carry.run(direct)).out == "*.txt && echo 3\n"
    shell = Step(id="t", command="echo", args=("*.txt", "&&", "echo", 3), shell=True)
    assert asyncio.run(carry.run(shell)).out == "*.txt && echo 3\none.txt\n3\n"


def test_run_is_a_shell_line(carry):
    outcome = asyncio.run(carry.run(Step(id="s", run="printf '%s' a | tr a b")))
    assert outcome.out == "b"


def test_another_shell_with_its_options(carry):
    script = "false | true\necho unreachable"
    assert carry("shell", script=script).result.error is None
    outcome = carry("shell", script=script, shell="bash -euo pipefail")
    assert outcome.result.exit_code == 1
    assert outcome.out == "unreachable\n"


def test_an_empty_script_succeeds(carry):
    assert carry("shell", run="").result.error is None


@pytest.mark.parametrize(
    ("type_", "definition", "words"),
    [
        ("command", {"command": " "}, "expected a program"),
        ("shell", {}, "exactly one of 'run' and 'script'"),
        ("shell", {"run": "a", "script": "b"}, "exactly one of 'run' and 'script'"),
        ("shell", {"run": "x" * 131072}, "put it into a file"),
        ("shell", {"run": "a", "shell": ""}, "name of a shell"),
        ("shell", {"run": "a", "shell": "sh '"}, "No closing quotation"),
    ],
)
def test_problems_are_found_when_the_plan_is_loaded(carry, type_, definition, words):
    (problem,) = carry.problems(type_, **definition)
    assert words in problem


def test_unknown_fields_are_refused():
    with pytest.raises(msgspec.ValidationError, match="argz"):
        msgspec.convert({"command": "a", "argz": []}, kinds()["command"].definition)


def test_circuit_breaker_keys():
    def key(step):
        name, raw = kind_of(step)
        kind = kinds()[name]
        return kind.tool(step, msgspec.convert(raw, kind.definition))

    assert key(Step(id="s", command="/usr/bin/git")) == "git"
    assert key(Step(id="s", step_def={"type": "command", "command": "git"})) == "git"
    assert key(Step(id="s", command="bin/make", shell=True)) == "make"
    assert key(Step(id="s", run="make all")) == "shell"
