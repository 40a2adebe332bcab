"""What is said about mistakes."""

from __future__ import annotations

import asyncio
import warnings

import pytest

import stoker


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["runn"], "stoker: unknown command 'runn' (did you mean 'run'?); see `stoker --help`\n"),
        (["list", "--nope"], "usage: stoker list "),
        (["list", "--nope"], "stoker list: error: unrecognized arguments: --nope"),
        (["list", "--limit", "-1"], "--limit: expected 0 or more, found -1"),
        (["run", "plan.yaml", "--watch", "--run-id", "r"], "--watch begins many runs"),
        (["logs", "last", "--tail", "-1"], "--tail: expected 0 or more, found -1"),
        (["run", "p", "--max-concurrency", "0"], "expected 1 or more, found 0"),
        (["run", "p", "--var", "SECS"], "--var: expected NAME=VALUE, found 'SECS'"),
        (["validate", ""], "expected a plan file, found ''"),
        (["show", ""], "expected the id of a run, its beginning or 'last', found ''"),
    ],
)
def test_a_wrong_command_line(project, words: list[str], expected: str) -> None:
    plan = project.plan({"id": "a", "run": "true"})
    project.run("run", plan)
    done = project.run(*(plan if word == "p" else word for word in words))
    assert done.returncode == 2
    assert expected in done.stderr


def test_files_of_inputs(project) -> None:
    plan = project.plan({"id": "a", "run": "true"})
    missing = project.run("run", plan, "--inputs-file", "none.json")
    assert missing.stderr == "stoker: --inputs-file 'none.json': No such file or directory\n"
    (project.directory / "list.json").write_text("[1]")
    wrong = project.run("run", plan, "--inputs-file", "list.json")
    assert wrong.stderr == "stoker: --inputs-file list.json: expected a map, found a list\n"


def test_plans_nested_in_each_other_tell_the_cause_once(project) -> None:
    project.plan({"id": "c", "run": "exit 3"}, name="inner.json", inputs={"n": 1})
    project.plan({"id": "b", "step_def": {"type": "plan", "path": "inner.json"}}, name="mid.json")
    plan = project.plan({"id": "a", "step_def": {"type": "plan", "path": "mid.json"}})
    shown = project.run("run", plan, "--run-id", "r").stdout
    assert "a failed" in shown
    assert ": nested run r.a.1.b.1 failed: step 'c' failed: exit code 3\n" in shown
    assert "r.a.1 failed" not in shown

    given = {"type": "plan", "path": "inner.json", "inputs": {"zz": 1}}
    done = project.run("run", project.plan({"id": "a", "step_def": given}))
    assert (done.returncode, done.stdout) == (2, "")
    assert "steps[0].step_def.inputs.zz: no such input; the plan has n\n" in done.stderr
    given["path"] = "${{ 'inner.json' }}"  # only the run can tell
    shown = project.run("run", project.plan({"id": "a", "step_def": given})).stdout
    assert ": inner.json: inputs.zz: no such input; the plan has n\n" in shown
    assert "PlanError" not in shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere:f", "  | stoker: nowhere:f: No module named 'nowhere'\n"),
        ("json:nothing", "  | stoker: json:nothing: module 'json' has no attribute 'nothing'\n"),
        ("job:NAME", "  | stoker: job:NAME: expected a callable, found 3\n"),
        ("job:none", "  | TypeError: none() missing 1 required positional argument: 'x'\n"),
        ("job:later", "in later"),
        ("broken:f", "No module named 'elsewhere'"),
    ],
)
def test_callables_that_fail(project, name: str, expected: str) -> None:
    (project.directory / "broken.py").write_text("import elsewhere\n")
    (project.directory / "job.py").write_text(
        "NAME = 3\ndef none(x): pass\nasync def later(): raise ValueError('bad')\n"
    )
    plan = project.plan({"id": "a", "step_def": {"type": "python", "callable": name}})
    shown = project.run("run", plan).stdout
    assert expected in shown
    if not name.startswith("broken"):
        assert "python_child" not in shown


def test_run_where_a_loop_runs_already(tmp_path) -> None:
    plan = stoker.build("p", steps=[stoker.Step(id="a", run="true")])

    async def main() -> None:
        with pytest.raises(RuntimeError, match="open_engine"):
            stoker.run(plan, db=tmp_path / "journal.db")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
    assert not list(tmp_path.iterdir())


def test_examples_of_every_command_stand_in_lines_of_their_own() -> None:
    import argparse

    from stoker.cli.main import parser

    def below(found: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
        inner = [
            one
            for action in found._actions
            if isinstance(action, argparse._SubParsersAction)
            for one in action.choices.values()
        ]
        return [found, *(deeper for one in inner for deeper in below(one))]

    shown = [one for one in below(parser()) if one.epilog]
    assert any(one.prog == "stoker roadmap memory" for one in shown)
    for one in shown:
        assert (one.epilog or "").strip() in one.format_help()
