"""What `stoker run` of a small plan may import: start-up is mostly imports."""

from __future__ import annotations

import subprocess
import sys

from imported import TELL, of_chains

EXPENSIVE = {"asyncinotify", "ctypes", "difflib", "httpx", "importlib.metadata", "rich", "yaml"}


def test_a_small_json_plan_imports_nothing_it_does_not_need(project) -> None:
    plan = project.plan({"id": "a", "command": "true"})
    code = (
        "import sys; from stoker.cli.main import main; status = main(sys.argv[1:]); "
        "sys.stderr.write(' '.join(sys.modules)); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", plan],
        cwd=project.directory,
        capture_output=True,
        text=True,
        env=project.environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert EXPENSIVE & set(done.stderr.split()) == set()


def test_plans_without_groups_import_nothing_of_chains(project) -> None:
    python = {"type": "python", "code": "print(1)"}
    plan = project.plan({"id": "a", "command": "true"}, {"id": "b", "step_def": python})
    for words in (("validate", plan), ("run", plan), ("show", "last"), ("logs", "last")):
        done = project.run(*words, **TELL)
        assert done.returncode == 0, done.stderr
        assert of_chains(done.stderr) == set()


def test_what_a_group_needs_is_told_apart(project) -> None:
    """So that the tests of the other doors can fail."""
    done = project.run("chain", "simulate", "--help", **TELL)
    assert of_chains(done.stderr) == set()
    code = "import stoker.cli, stoker.chains.report.verdict"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    assert {"eth_abi", "eth_utils"} <= of_chains(done.stderr)
