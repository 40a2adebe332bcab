"""Standard streams that are closed, or that cannot be written to."""

from __future__ import annotations

import subprocess
import sys

import pytest


def shell(project, script: str) -> subprocess.CompletedProcess[str]:
    """Run `script`, in which `$STOKER` is the command line's program."""
    done = subprocess.run(
        ["sh", "-c", script.replace("$STOKER", f"{sys.executable} -m stoker")],
        cwd=project.directory,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_run_with_closed_streams(project, closed: str) -> None:
    plan = project.plan({"id": "a", "run": "cat; echo out; echo err >&2"})
    assert shell(project, f"$STOKER run {plan} --run-id r {closed}").returncode == 0
    assert (project.directory / ".stoker/runs/r/logs/a.1.out").read_text() == "out\n"


@pytest.mark.parametrize("words", ["schema", "--version", "--help", "run --help"])
def test_what_prints_says_so_where_stdout_is_full(project, words: str) -> None:
    done = shell(project, f"$STOKER {words} >/dev/full")
    assert done.returncode == 2
    assert done.stderr == "stoker: standard output: No space left on device\n"


@pytest.mark.parametrize(("command", "status"), [("true", 0), ("false", 1)])
def test_a_run_keeps_its_own_status_where_stdout_is_full(
    project, command: str, status: int
) -> None:
    plan = project.plan({"id": "a", "command": command})
    done = shell(project, f"$STOKER run {plan} >/dev/full")
    assert done.returncode == status
    assert done.stderr == "stoker: standard output: No space left on device\n"


def test_streams_of_which_none_can_be_written_to(project) -> None:
    assert shell(project, "$STOKER schema >/dev/full 2>/dev/full").returncode == 2
