"""Kind `powershell`, against a stand-in that honours the same command line.

The stand-in is a Python program named `pwsh`: it takes the options PowerShell is given,
decodes the wrapper from `-EncodedCommand`, reads the request as the wrapper does, and plays
scripts whose text is JSON. What the wrapper itself does inside PowerShell is not shown here.
"""

import base64
import json
import os
import sys
from pathlib import Path

import pytest

import stoker.steps.powershell as module
from stoker.engine.kinds import StepFailed

STAND_IN = f"""#!{sys.executable}
import base64, json, os, sys

def plain(value):
    if isinstance(value, str):
        assert value[0] == "="
        return value[1:]
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {{name: plain(item) for name, item in value.items()}}
    return value

if sys.argv[0].endswith(".exe"):  # started from within WSL, it has what WSLENV names
    names = [name.partition("/")[0] for name in os.environ.get("WSLENV", "").split(":")]
    for name in set(os.environ).difference(names):
        del os.environ[name]
argv = sys.argv[1:]
values = {{"-NoLogo": None, "-NoProfile": None, "-NonInteractive": None,
    "-ExecutionPolicy": ("Bypass", "Unrestricted", "RemoteSigned", "AllSigned", "Restricted"),
    "-OutputFormat": ("Text", "XML")}}
rest = argv[:]
while (option := rest.pop(0)) != "-EncodedCommand":
    if option not in values or (values[option] and rest.pop(0) not in values[option]):
        sys.exit(64)  # and prints how it is used
[encoded] = rest
wrapper = base64.b64decode(encoded, validate=True).decode("utf-16-le")
request = json.loads(os.environ["STOKER_POWERSHELL"])
path = plain(request.get("file"))
script = open(path).read() if path else plain(request["script"])
play = json.loads(script)
with open(os.environ["STOKER_POWERSHELL_ERRORS"], "a") as errors:
    for message in play.get("errors", ()):
        errors.write(json.dumps({{"message": message, "line": 7}}) + "\\n")
        print(message, file=sys.stderr)
named, positional = plain(request["named"]), plain(request["positional"])
given = {{name: value for name, value in os.environ.items() if name in play.get("env", ())}}
print(json.dumps([argv[:-1], named, positional, wrapper, given]))
sys.exit(play.get("exit", 0))
"""


@pytest.fixture
def pwsh(carry, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    program = tools / "pwsh"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    carry.env["PATH"] = str(tools)
    return program


def played(outcome):
    return json.loads(outcome.out)


def test_arguments_arrive_as_values_and_the_wrapper_is_always_the_same(carry, pwsh):
    hostile = ["a'b\"c", "$(Get-Date)", "; exit 9", "2024-01-01T00:00:00", "`n", "ü", ""]
    outcome = carry(
        "powershell",
        script="{}",
        args={"-TargetBranch": "main", "Names": hostile, "-Force": None, "-No": False, "N": 3},
    )
    assert outcome.result.error is None
    argv, named, positional, wrapper, _ = played(outcome)
    assert named == {"TargetBranch": "main", "Names": hostile, "Force": True, "No": False, "N": 3}
    assert positional == []
    assert {"-NoProfile", "-NonInteractive"} <= set(argv)
    assert wrapper == Path(module.__file__).with_suffix(".ps1").read_text()


def test_positional_arguments(carry, pwsh):
    assert played(carry("powershell", script="{}", args=["a", 1]))[2] == ["a", 1]


@pytest.mark.parametrize("spelling", ["file", "script"])
def test_a_path_runs_the_file(carry, pwsh, write, spelling):
    write("tools/merge.ps1", '{"exit": 4}')
    outcome = carry("powershell", **{spelling: "tools/merge.ps1"})
    assert outcome.result.exit_code == 4
    assert outcome.result.error == "exit code 4"


def test_error_records_are_kept_apart_and_the_last_one_is_the_reason(carry, pwsh):
    outcome = carry("powershell", script='{"errors": ["first", "last"], "exit": 1}')
    assert outcome.result.error == "exit code 1: last (line 7)"
    assert outcome.err == "first\nlast\n"
    errors = Path(outcome.attempt.stderr_path).with_suffix(".errors")
    assert [json.loads(line)["message"] for line in errors.open()] == ["first", "last"]
    assert errors.stat().st_mode & 0o777 == 0o600


def test_an_adopted_attempt_keeps_its_error_records(carry, pwsh):
    failing = {"script": '{"errors": ["first"]}'}
    carry("powershell", **failing)
    outcome = carry("powershell", **failing, attempt={"resumed": True})
    errors = Path(outcome.attempt.stderr_path).with_suffix(".errors")
    assert len(errors.read_text().splitlines()) == 2
    carry("powershell", **failing)
    assert len(errors.read_text().splitlines()) == 1


def test_errors_that_do_not_fail_the_step(carry, pwsh):
    assert carry("powershell", script='{"errors": ["noise"]}').result.error is None


def test_the_shell_that_is_there_is_used(carry, pwsh):
    pwsh.rename(pwsh.with_name("powershell"))
    assert carry("powershell", script="{}").result.error is None


def test_across_the_border_of_wsl_a_step_has_its_variables(carry, pwsh, monkeypatch):
    pwsh.rename(pwsh.with_name("powershell.exe"))
    monkeypatch.setenv("OF_THE_SYSTEM", "x")
    carry.env |= {
        "OF_THE_SYSTEM": "x",
        "OF_THE_PLAN": "1",
        "STOKER_INPUT_N": "3",
        "STOKER_INPUT_BIG_FILE": "/big",
        "STOKER_EXTEND": "/extend",
        "WSLENV": "OWN/p",
    }
    names = [*carry.env, "OWN"]
    given = played(carry("powershell", script=json.dumps({"env": names})))[-1]
    assert given.keys() == {
        "OF_THE_PLAN", "STOKER_INPUT_N", "STOKER_INPUT_BIG_FILE", "STOKER_EXTEND", "STOKER_OUTPUT",
        "HOME",
    }  # fmt: skip
    shared = module._across(carry.env | {"STOKER_POWERSHELL_ERRORS": "/e"}).split(":")
    assert {name for name in shared if name.endswith("/p")} == {
        "OWN/p", "STOKER_OUTPUT/p", "STOKER_EXTEND/p", "STOKER_INPUT_BIG_FILE/p",
        "STOKER_POWERSHELL_ERRORS/p",
    }  # fmt: skip


def test_a_chosen_shell(carry, pwsh):
    other = pwsh.rename(pwsh.with_name("other-shell"))
    assert carry("powershell", script="{}", shell=str(other)).result.error is None


def test_no_powershell(carry):
    carry.env["PATH"] = "/nonexistent"
    with pytest.raises(StepFailed, match=r"no PowerShell is installed.*/nonexistent.*install: "):
        carry("powershell", script="Get-Date")


def test_a_request_that_does_not_fit_is_told(carry, pwsh):
    with pytest.raises(StepFailed, match="put the script into a file"):
        carry("powershell", script="#" * 200_000)


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({}, "exactly one of 'script' and 'file'"),
        ({"script": "a", "file": "b"}, "exactly one of 'script' and 'file'"),
        ({"script": "a", "args": {"-A": 1, "a": 2}}, "'a' is given more than once"),
        ({"script": "a", "args": {"-": 1}}, "expected a parameter's name"),
    ],
)
def test_problems(carry, definition, words):
    (problem,) = carry.problems("powershell", **definition)
    assert words in problem


def test_a_real_powershell_where_there_is_one(carry):
    """The wrapper itself; a machine without PowerShell shows the refusal instead."""
    step = {
        "script": "param($Name, [switch]$Loud) [Console]::Error.WriteLine('raw'); "
        "Write-Error -ErrorAction Continue 'soft'; \"hi $Name $Loud\"; sh -c 'exit 5'",
        "args": {"-Name": "2024-01-01T00:00:00", "-Loud": None},
    }
    try:
        module._installed(os.environ["PATH"])
    except StepFailed as error:
        with pytest.raises(StepFailed) as caught:
            carry("powershell", **step)
        assert str(caught.value) == str(error)
        return
    outcome = carry("powershell", **step)
    assert outcome.out.strip() == "hi 2024-01-01T00:00:00 True"
    assert outcome.result.exit_code == 5
    assert "raw" in outcome.err
    errors = Path(outcome.attempt.stderr_path).with_suffix(".errors")
    assert [json.loads(line)["message"] for line in errors.open()] == ["soft"]


def test_the_wrapper_holds_no_place_for_interpolation():
    wrapper = Path(module.__file__).with_suffix(".ps1").read_text()
    for dangerous in ("Invoke-Expression", "iex ", "%s", "{0}", "-Command "):
        assert dangerous not in wrapper
    assert len(base64.b64encode(wrapper.encode("utf-16-le"))) < 32_000  # Windows' command line
