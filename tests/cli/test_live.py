"""The live display, on a real terminal."""

from __future__ import annotations

import os
import re
import select

from stoker.cli.output import printable


def _screen(terminal: int, text: str) -> str:
    """What is written to the terminal until `text` is, or until it is closed."""
    seen = b""
    while text not in re.sub(r"\s+", " ", printable(seen.decode("utf-8", "replace"))):
        ready, _, _ = select.select([terminal], [], [], 30)
        try:
            more = os.read(terminal, 65536) if ready else b""
        except OSError:  # nobody has the other side open any more
            more = b""
        if not more:
            break
        seen += more
    return seen.decode("utf-8", "replace")


def test_a_terminal_shows_what_runs_what_is_next_and_a_bar(project) -> None:
    os.mkfifo(project.directory / "gate")
    plan = project.plan(
        {"id": "quick", "run": "true"},
        {"id": "held", "run": "cat gate"},
        {"id": "final", "run": "echo why >&2; false", "depends_on": ["held", "quick"]},
    )
    project.environment |= {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    project.environment.pop("NO_COLOR", None)
    first, second = os.openpty()
    process = project.start("run", plan, "--run-id", "r", stdout=second, stderr=second)
    os.close(second)
    shown = _screen(first, "33%")
    assert "quick \x1b[32msucceeded\x1b[0m in" in shown
    text = printable(shown)
    assert "held" in text
    assert "next: final" in text
    assert "1/3" in text
    (project.directory / "gate").write_text("")
    shown = _screen(first, "stoker show r")
    assert process.wait() == 1
    text = printable(shown)
    assert re.search(r"final failed in [0-9.]+ s: exit code 1", text)
    assert "| why" in text
    assert re.search(r"run r failed in .*: 2 succeeded, 1 failed", text)
    assert "\x1b[?25h" in shown  # the cursor is back
    os.close(first)
