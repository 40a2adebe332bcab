"""The steps of the plan, told where to work by `$GATE_PROJECT` and `$GATE_REPORTS`."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gate import check, coverage, report


def main(words: Sequence[str]) -> int:
    """Run one phase; returns its exit status."""
    project = Path(os.environ["GATE_PROJECT"]).resolve()
    reports = Path(project, os.environ["GATE_REPORTS"])
    match words:
        case ["prepare"]:
            return _prepare(project, reports)
        case ["check", name, command]:
            return check.run(name, command, project, reports)
        case ["coverage", command]:
            return _coverage(command, project, reports)
        case ["floor", percent, floor]:
            return _floor(float(percent), float(floor))
        case ["report"]:
            return _report(reports)
    sys.stderr.write(f"no such phase: {' '.join(words)}\n")
    return 2


def _prepare(project: Path, reports: Path) -> int:
    if not project.is_dir():
        sys.stderr.write(f"project: there is no directory {project}\n")
        return 1
    reports.mkdir(parents=True, exist_ok=True)
    (reports / ".gitignore").write_text("*\n")
    for old in reports.iterdir():
        if old.is_file() and old.name != ".gitignore":
            old.unlink()
    return 0


def _coverage(command: str, project: Path, reports: Path) -> int:
    if code := check.run("coverage", command, project, reports):
        return code
    try:
        percent = coverage.percent(reports / "coverage.json")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"covered: {percent} %\n")
    _output(percent=percent)
    return 0


def _floor(percent: float, floor: float) -> int:
    if percent >= floor:
        return 0
    sys.stderr.write(f"{percent} % is covered, less than the floor of {floor} %\n")
    return 1


def _report(reports: Path) -> int:
    statuses = json.loads(os.environ["GATE_STATUSES"])
    found = report.collect(statuses, os.environ["GATE_ADVICE"].split(), reports)
    text = report.markdown(found).encode()
    path = reports / "report.md"
    path.write_bytes(text)
    (reports / "report.json").write_text(json.dumps(found, indent=1))
    sys.stdout.write(text.decode())
    # The artefact by its name and digest: whoever consumes `report` can tell if it was changed.
    digest = hashlib.sha256(text).hexdigest()
    artefact = {"path": str(path), "sha256": digest, "bytes": len(text)}
    _output(report=artefact, open=found["open"])
    return 0


def _output(**values: Any) -> None:
    if path := os.environ.get("STOKER_OUTPUT"):
        Path(path).write_text(json.dumps(values))
