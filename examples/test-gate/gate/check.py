"""One check: a shell line in the project's directory, shown as it runs and kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

TAIL = 40
"""Lines of a failed check that the report shows."""


@dataclass(frozen=True)
class Checked:
    """How a check ended."""

    command: str
    exit_code: int
    seconds: float
    tail: list[str]
    """The last lines of its output, stdout and stderr as one."""


def run(name: str, command: str, project: Path, reports: Path) -> int:
    """Run the check; its output goes to stdout and to `NAME.log` in the reports, how it ended
    to `NAME.check.json`. Returns its exit code, 128 + N for signal N, as a shell says it."""
    began = time.monotonic()
    log = reports / f"{name}.log"
    with log.open("wb", buffering=0) as kept:
        process = subprocess.Popen(
            ("sh", "-c", command),
            cwd=project,
            env=environment(project, reports, name),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        while process.stdout and (part := os.read(process.stdout.fileno(), 65536)):
            kept.write(part)
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
    code = process.wait()
    code = 128 - code if code < 0 else code
    checked = Checked(command, code, round(time.monotonic() - began, 2), tail(name, reports))
    (reports / f"{name}.check.json").write_text(json.dumps(asdict(checked), indent=1))
    return code


def tail(name: str, reports: Path) -> list[str]:
    """The last lines of its output, also of a check that did not end by itself."""
    try:
        with (reports / f"{name}.log").open(errors="replace") as said:
            return [line.rstrip("\n") for line in deque(said, TAIL)]
    except FileNotFoundError:
        return []


def read(name: str, reports: Path) -> Checked | None:
    """How a check ended; None if it did not by itself."""
    try:
        return Checked(**json.loads((reports / f"{name}.check.json").read_text()))
    except FileNotFoundError:
        return None


def environment(project: Path, reports: Path, name: str) -> dict[str, str]:
    """The project's own virtual environment first; the tools beside Stoker last. Tests that
    run at once keep their coverage data apart, where `coverage combine` finds it. What a
    check's own tests do with Stoker is not the output of this step."""
    path = (project / ".venv" / "bin", os.environ.get("PATH", ""), Path(sys.executable).parent)
    data = reports / ".coverage"
    return {
        **{key: os.environ[key] for key in os.environ.keys() - {"STOKER_OUTPUT", "STOKER_EXTEND"}},
        "PATH": os.pathsep.join(map(str, path)),
        "PYTHONUNBUFFERED": "1",  # so that it is shown as it runs
        "GATE_REPORTS": str(reports),
        "COVERAGE_FILE": str(data if name == "coverage" else f"{data}.{name}"),
    }
