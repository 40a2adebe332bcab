"""The plan `examples/test-gate`, run by the real command line on a project made here, and on
Stoker itself."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "test-gate"
CALC = """\
def double(n: int) -> int:
    return 2 * n


def half(n: int) -> float:
    return n / 2
"""
TEST = """\
import calc


def test_{name}():
    assert calc.{name}({given}) == {expected}
"""
MEET = """\
import socket, sys
meeting = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sys.exit(meeting.recv(1) != b"+")
"""
PYTHON = f"{shlex.quote(sys.executable)} -m"
MEASURE = (
    f"{PYTHON} coverage combine --quiet"
    f' && {PYTHON} coverage json --quiet -o "$GATE_REPORTS/coverage.json"'
)
PYTEST = f"{PYTHON} pytest -q -p no:cacheprovider --cov=calc --cov-report= --junitxml"


class Gate:
    """A small project, and the gate to run on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = directory / "a project"
        self.reports = directory / "all reports"
        self.inputs: dict[str, Any] = {
            "project": self.project,
            "reports": self.reports,
            **dict.fromkeys(("lint", "types", "unit", "integration", "format"), "true"),
            "architecture": "true",
            "coverage": "",
        }
        self.env = {
            **{name: value for name, value in os.environ.items() if "STOKER" not in name},
            "STOKER_DB": str(directory / "state" / "journal.db"),
        }
        self.write("calc.py", CALC)
        self.write("unit/test_double.py", TEST.format(name="double", given=2, expected=4))
        self.write("whole/test_half.py", TEST.format(name="half", given=4, expected=2))
        self.write("conftest.py", "")

    def write(self, name: str, text: str) -> None:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, **inputs: Any) -> subprocess.CompletedProcess[str]:
        given = {**self.inputs, **inputs}
        pairs = [word for name, value in given.items() for word in ("--input", f"{name}={value}")]
        return self.stoker("run", str(EXAMPLE / "plan.yaml"), *pairs)

    def stoker(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "stoker", *words),
            cwd=self.directory,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def statuses(self) -> dict[str, str]:
        shown = json.loads(self.stoker("show", "last", "--json").stdout)
        return {step["id"]: step["status"] for step in shown["steps"]}

    def report(self) -> dict[str, Any]:
        return json.loads((self.reports / "report.json").read_text())


REAL: dict[str, str] = {
    "lint": f"{PYTHON} ruff check --isolated --no-cache calc.py",
    "types": f"{PYTHON} mypy --strict --cache-dir=/dev/null calc.py",
    "unit": f'{PYTEST}="$GATE_REPORTS/unit.xml" unit',
    "integration": f'{PYTEST}="$GATE_REPORTS/integration.xml" whole',
    "coverage": MEASURE,
    "format": f"{PYTHON} ruff format --isolated --no-cache --check calc.py",
}


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_a_sound_project_passes_and_the_report_is_an_artefact(gate: Gate) -> None:
    done = gate.run(**REAL, coverage_floor="100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(gate.statuses().values()) == {"succeeded"}
    report = gate.report()
    assert report["open"] is True
    assert report["coverage"] == {"percent": 100.0, "least_covered": []}
    assert report["checks"]["unit"]["tests"] == {"run": 1, "skipped": 0, "failed": []}
    text = (gate.reports / "report.md").read_bytes()
    assert b"# The gate is open" in text
    assert b"| integration | passed |" in text
    shown = json.loads(gate.stoker("show", "last", "--json").stdout)
    (step,) = [step for step in shown["steps"] if step["id"] == "report"]
    artefact = step["outputs"]["report"]
    assert Path(artefact["path"]).read_bytes() == text
    assert artefact["bytes"] == len(text)


def test_the_checks_run_side_by_side(gate: Gate) -> None:
    """Each of the four waits for the other three: one after the other, none would end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        meet = f"{shlex.quote(sys.executable)} -c {shlex.quote(MEET)} {server.getsockname()[1]}"

        def wait_for_all() -> None:
            present = [server.accept()[0] for _ in range(4)]
            for connection in present:
                connection.sendall(b"+")
                connection.close()

        meeting = threading.Thread(target=wait_for_all, daemon=True)
        meeting.start()
        done = gate.run(**dict.fromkeys(("lint", "types", "unit", "integration"), meet))
        assert done.returncode == 0, done.stdout + done.stderr
        meeting.join()


@pytest.mark.parametrize("check", ["lint", "types", "unit", "integration"])
def test_a_check_that_fails_closes_the_gate_and_the_others_still_run(
    gate: Gate, check: str
) -> None:
    done = gate.run(**{check: "echo this is wrong >&2; exit 3"})
    assert done.returncode == 1
    statuses = gate.statuses()
    assert statuses.pop(check) == "failed"
    assert statuses.pop("coverage") == statuses.pop("floor") == "skipped"
    assert set(statuses.values()) == {"succeeded"}
    report = gate.report()
    assert report["open"] is False
    assert report["checks"][check]["exit_code"] == 3
    text = (gate.reports / "report.md").read_text()
    assert "# The gate is closed" in text
    assert f"| {check} | **FAILED** |" in text
    assert "    this is wrong" in text
    assert "this is wrong" in gate.stoker("logs", "last", check).stdout


def test_a_check_that_was_ended_is_told_with_what_it_said(gate: Gate) -> None:
    kept = 'until grep -q far "$GATE_REPORTS/unit.log"; do :; done'
    assert gate.run(unit=f"echo this far; {kept}; kill -9 $PPID").returncode == 1
    text = (gate.reports / "report.md").read_text()
    assert "## unit\n\nit was ended: its time was up, or somebody killed it\n" in text
    assert "    this far\n" in text


@pytest.mark.parametrize("check", ["format", "architecture"])
def test_advice_may_fail(gate: Gate, check: str) -> None:
    done = gate.run(**{check: "kill -9 $$"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert gate.statuses()[check] == "failed"
    report = gate.report()
    assert report["open"] is True
    assert report["checks"][check]["exit_code"] == 137
    assert f"| {check} | **FAILED** (advice) |" in (gate.reports / "report.md").read_text()


def test_the_coverage_floor_counts_both_kinds_of_tests(gate: Gate) -> None:
    assert gate.run(**REAL, coverage_floor="90").returncode == 0
    both = gate.report()["coverage"]["percent"]
    (gate.project / "whole" / "test_half.py").write_text("def test_nothing():\n    pass\n")
    done = gate.run(**REAL, coverage_floor="90")
    assert done.returncode == 1
    statuses = gate.statuses()
    assert (statuses["coverage"], statuses["floor"]) == ("succeeded", "failed")
    covered = gate.report()["coverage"]
    assert covered["percent"] < 90 < both
    assert covered["least_covered"] == [["calc.py", covered["percent"]]]
    said = gate.stoker("logs", "last", "floor").stderr
    assert said == f"{covered['percent']} % is covered, less than the floor of 90.0 %\n"


def test_what_an_earlier_run_left_is_not_reported(gate: Gate) -> None:
    gate.run(unit='echo "<testsuite><testcase/></testsuite>" > "$GATE_REPORTS/unit.xml"; exit 1')
    assert gate.report()["checks"]["unit"]["tests"]["run"] == 1
    assert gate.run(unit="true").returncode == 0
    assert "tests" not in gate.report()["checks"]["unit"]


def test_a_coverage_command_that_writes_no_report_is_told(gate: Gate) -> None:
    assert gate.run(coverage="true").returncode == 1
    assert "wrote no report" in gate.stoker("logs", "last", "coverage").stderr
    assert gate.statuses()["floor"] == "skipped"


def test_a_project_that_is_not_there_is_told(gate: Gate) -> None:
    assert gate.run(project=gate.directory / "nowhere").returncode == 1
    assert "there is no directory" in gate.stoker("logs", "last", "prepare").stderr


def test_on_stoker_itself(gate: Gate) -> None:
    """With its own linter, types, tests and coverage; of the tests only the fastest."""
    pytest_ = PYTEST.replace("--cov=calc", "--cov=stoker.plan")
    unit = "tests/plan/test_graph.py tests/plan/test_template.py"
    done = gate.run(
        project=ROOT,
        lint="ruff check src/stoker/plan",
        types="mypy --cache-dir=/dev/null -p stoker.plan",
        unit=f'{pytest_}="$GATE_REPORTS/unit.xml" {unit}',
        integration=f'{pytest_}="$GATE_REPORTS/integration.xml" tests/plan/test_loader.py',
        coverage=MEASURE,
        coverage_floor="50",
        format="ruff format --check src/stoker/plan",
        architecture="lint-imports --no-cache",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = gate.report()
    assert report["checks"]["unit"]["tests"]["run"] > 10
    assert report["checks"]["integration"]["tests"]["run"] > 3
    assert report["coverage"]["percent"] > 50
