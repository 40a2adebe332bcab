"""Kind `python`: callables, files, code, another interpreter."""

import asyncio
import json
import sys

import pytest

from stoker.plan.model import Step

MODULE = """
import asyncio, os, sys, http.client

def add(a, b=0, **more):
    print("adding")
    return {"sum": a + b, **more}

async def later(value):
    await asyncio.sleep(0)
    return value

def same(value):
    return value

class Group:
    @staticmethod
    def member():
        return {"where": os.getcwd(), "read": sys.stdin.read()}

def fail():
    raise ValueError("no luck")

def leave():
    sys.exit(9)

def both():
    open(os.environ["STOKER_OUTPUT"], "w").write("a=1")
    return {"b": 2}

def odd():
    return {"it": object()}
"""


@pytest.fixture
def call(carry, write):
    write("job.py", MODULE)

    def run(name, **definition):
        outcome = carry("python", callable=f"job:{name}", **definition)
        output = carry.home / "output"
        return outcome, json.loads(output.read_text()) if output.exists() else None

    return run


def test_a_dict_becomes_the_outputs(call):
    outcome, outputs = call("add", args=[1], kwargs={"b": 2, "name": "ü'\"\n"})
    assert outcome.result.error is None
    assert outputs == {"sum": 3, "name": "ü'\"\n"}
    assert outcome.out == "adding\n"


@pytest.mark.parametrize("value", [3, "text", [1, {"a": None}], False])
def test_another_value_becomes_the_output_result(call, value):
    assert call("later", args=[value])[1] == {"result": value}


def test_nothing_returned_is_no_output(call):
    outcome, outputs = call("same", args=[None])
    assert outcome.result.error is None
    assert outputs is None


def test_a_long_argument(call):
    value = "x" * 1_000_000
    assert call("same", args=[value])[1] == {"result": value}


def test_nested_names_the_working_directory_and_the_rest_of_stdin(carry, write):
    write("job.py", MODULE)
    step = Step(
        id="s",
        stdin="for the callable",
        step_def={"type": "python", "callable": "job:Group.member"},
    )
    assert asyncio.run(carry.run(step)).result.error is None
    outputs = json.loads((carry.home / "output").read_text())
    assert outputs == {"where": str(carry.cwd), "read": "for the callable"}


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("fail", 1, "ValueError: no luck"),
        ("leave", 9, ""),
        ("missing", 1, "has no attribute 'missing'"),
        ("both", 1, "expected one of both"),
        ("odd", 1, "returned what JSON cannot hold"),
    ],
)
def test_failures(carry, write, name, code, words):
    write("job.py", MODULE)
    outcome = carry("python", callable=f"job:{name}")
    assert outcome.result.exit_code == code
    assert words in outcome.err


def test_a_missing_module_is_told(carry):
    outcome = carry("python", callable="no.such:thing")
    assert outcome.result.exit_code == 1
    assert "No module named 'no'" in outcome.err


def test_code_and_file_take_arguments_as_text(carry, write):
    write("lib.py", "NAME = 'lib'")
    outcome = carry(
        "python", code="import sys, lib; print(sys.argv[1:], lib.NAME)", args=[1, "a b"]
    )
    assert outcome.out == "['1', 'a b'] lib\n"
    write("job.py", "import sys; print(sys.argv); sys.exit(3)")
    outcome = carry("python", file="job.py", args=[True])
    assert outcome.out.endswith("\n['job.py', 'true']\n")
    assert outcome.result.exit_code == 3


def test_another_interpreter(carry, write):
    interpreter = write("python", f'#!/bin/sh\necho other\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    outcome = carry("python", code="print(1)", python=str(interpreter))
    assert outcome.out == "other\n1\n"


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({}, "exactly one of"),
        ({"code": "1", "file": "a.py"}, "exactly one of"),
        ({"callable": "os.getcwd"}, "expected 'package.module:function', found 'os.getcwd'"),
        ({"code": "1", "kwargs": {"a": 1}}, "only a 'callable'"),
        ({"code": "#" * 200_000}, "put it into a file"),
    ],
)
def test_problems(carry, definition, words):
    (problem,) = carry.problems("python", **definition)
    assert words in problem
