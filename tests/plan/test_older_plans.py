"""A plan as the older orchestrator wrote them, run as it stands through the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Stands in for PowerShell: prints the parameters it was given beside what the script is.
PWSH = f"""#!{sys.executable}
import json, os
request = json.loads(os.environ["STOKER_POWERSHELL"])
print(request["script"].removeprefix("="), json.dumps(request["named"], sort_keys=True))
"""

PLAN: dict[str, Any] = {
    "plan_id": "safe-merge-${BRANCH}",
    "version": "1.2",
    "description": "Merge ${BRANCH} into ${TARGET}.",
    "globals": {
        "max_concurrency": 2,
        "default_timeout_sec": 60,
        "default_retries": 1,
        "env": {"TARGET_BRANCH": "${TARGET}"},
        "cwd": "${ROOT}",
    },
    "steps": [
        {
            "id": "lint",
            "name": "Lint ${BRANCH}",
            "description": "Fails once, and is tried again after a moment.",
            "command": "test -e tried || { touch tried; exit 3; };",
            "args": ["echo", "linted", "$TARGET_BRANCH", "for", "${BRANCH}"],
            "shell": True,
            "retry_delay_sec": 0.01,
            "depends_on": [],
            "condition": None,
            "critical": True,
            "on_failure": "abort",
            "tags": ["quick", "${BRANCH}"],
            "ui_hints": {"group": "checks", "weight": 2},
        },
        {
            "id": "count",
            "name": "Count",
            "command": "printf",
            "args": ["%s\\n", "${BRANCH}", "$TARGET_BRANCH"],
            "shell": False,
            "retries": 0,
            "depends_on": [],
            "ui_hints": {"group": "checks", "weight": 1},
        },
        {
            "id": "report",
            "name": "Report, which may fail",
            "command": "exit",
            "args": ["7"],
            "shell": True,
            "retries": 0,
            "depends_on": ["lint"],
            "on_failure": "continue",
            "critical": False,
        },
        {
            "id": "merge",
            "name": "Merge",
            "step_def": {
                "type": "powershell",
                "script": "Merge-Safely",
                "args": {"-SourceBranch": "${BRANCH}", "-TargetBranch": "main"},
            },
            "env": {"PATH": "${TOOLS}"},
            "timeout_sec": 30,
            "depends_on": ["lint", "count", "report"],
            "condition": None,
            "tags": [],
            "ui_hints": {"group": "merge", "weight": 10},
        },
    ],
}


class Project:
    """A directory to run the older plan in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.tools = directory / "tools"
        for folder in (self.root, self.tools, directory / ".stoker"):
            folder.mkdir()
        (self.tools / "pwsh").write_text(PWSH)
        (self.tools / "pwsh").chmod(0o755)
        (directory / "plan.json").write_text(json.dumps(PLAN))

    def stoker(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stoker", *words],
            cwd=self.directory,
            env={key: value for key, value in os.environ.items() if key[:7] != "STOKER_"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(self, **variables: str) -> subprocess.CompletedProcess[str]:
        given = [f"--var={name}={value}" for name, value in variables.items()]
        return self.stoker("run", "plan.json", *given, "--run-id", "older", "--json")

    def output(self, step: str) -> str:
        return self.stoker("logs", "older", step).stdout


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_an_older_plan_runs_unchanged(project: Project) -> None:
    done = project.run(
        BRANCH="feature/a b", TARGET="main", ROOT=str(project.root), TOOLS=str(project.tools)
    )
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    settled = [e for e in events if e["type"] == "step.settled"]
    assert {e["step"]: e["data"]["status"] for e in settled} == {
        "lint": "succeeded",
        "count": "succeeded",
        "report": "failed",
        "merge": "succeeded",
    }
    assert settled[-1]["step"] == "merge"
    ends = [e for e in events if e["type"] == "attempt.settled"]
    assert [e["data"]["exit_code"] for e in ends if e["step"] == "lint"] == [3, 0]
    assert (project.root / "tried").exists()
    assert "linted main for feature/a b" in project.output("lint")
    assert "feature/a b\n$TARGET_BRANCH\n" in project.output("count")
    assert (
        'Merge-Safely {"SourceBranch": "=feature/a b", "TargetBranch": "=main"}'
        in project.output("merge")
    )


def test_a_variable_that_is_not_given_is_named_with_its_places(project: Project) -> None:
    refused = project.run(TARGET="main", ROOT=".", TOOLS=str(project.tools), NAME="x")
    assert refused.returncode != 0
    pattern = re.compile(r"plan\.json:\d+:\d+: (\S+): the variable 'BRANCH' is not given")
    assert pattern.findall(refused.stderr) == [
        "plan_id",
        "description",
        "steps[0].name",
        "steps[0].args[4]",
        "steps[0].tags[1]",
        "steps[1].args[1]",
        "steps[3].step_def.args['-SourceBranch']",
    ]
    assert not (project.root / "tried").exists()
