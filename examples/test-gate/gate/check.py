"""One check: a shell line in the project's directory, shown as it runs and kept."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
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
    to `NAME.json`. Returns its exit code, 128 + N for signal N, as a shell says it."""
    began = time.monotonic()
    log = reports / f"{name}.log"
    with log.open("wb") as kept:
        process = subprocess.Popen(
            ("sh", "-c", command),
            cwd=project,
            env=environment(project, reports, name),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    code = process.wait()
    code = 128 - code if code < 0 else code
    lines = log.read_bytes().decode(errors="replace").splitlines()[-TAIL:]
    checked = Checked(command, code, round(time.monotonic() - began, 2), lines)
    (reports / f"{name}.json").write_text(json.dumps(asdict(checked), indent=1))
    return code


def read(name: str, reports: Path) -> Checked | None:
    """How a check ended; None if it never did."""
    try:
        return Checked(**json.loads((reports / f"{name}.json").read_text()))
    except FileNotFoundError:
        return None


def environment(project: Path, reports: Path, name: str) -> dict[str, str]:
    """The project's own virtual environment first; the tools beside Stoker last. Tests that
    run at once keep their coverage data apart, where `coverage combine` finds it."""
    path = (project / ".venv" / "bin", os.environ.get("PATH", ""), Path(sys.executable).parent)
    data = reports / ".coverage"
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("STOKER_")},
        "PATH": os.pathsep.join(map(str, path)),
        "GATE_REPORTS": shlex.quote(str(reports)),
        "COVERAGE_FILE": str(data if name == "coverage" else f"{data}.{name}"),
    }
