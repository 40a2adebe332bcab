"""How a roadmap is to be run: the file, the command line, phases and tasks."""

from __future__ import annotations

import msgspec
import pytest

from stoker.plan.errors import PlanError
from stoker.roadmaps.settings import Budget, load, options

FILE = """\
agent = "CODEX"
retries = 1
parallel = 2
[budget]
tokens = 1_000
cost_usd = 2
[phase.2]
agent = "GEMINI"
verify = "skip"
[task."2.1.1"]
agent = "CLAUDE_CODE:PLAN"
"""


def test_the_file_the_command_line_the_phase_the_task(tmp_path):
    file = tmp_path / "roadmap.toml"
    file.write_text(FILE)
    found = load(file, {"retries": 5, "budget": {"cost_usd": 9.5}})
    assert (found.agent, found.retries, found.parallel) == ("CODEX", 5, 2)
    assert found.budget == Budget(tokens=1000, cost_usd=9.5)
    of = options(found, "1.1.1", "1")
    assert (of.agent, of.verify, of.retries, of.strategy) == (
        *("CODEX", "auto", 5, "retry_with_context"),
    )
    assert options(found, "2.9", "2").agent == "GEMINI"
    of = options(found, "2.1.1", "2")
    assert (of.agent, of.verify) == ("CLAUDE_CODE:PLAN", "skip")
    assert set(msgspec.to_builtins(found)) == {
        "agent",
        "retries",
        "parallel",
        "budget",
        "phase",
        "task",
    }


def test_without_a_file(tmp_path):
    assert msgspec.to_builtins(load(tmp_path / "none.toml", {})) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agent = ", "is not TOML"),
        ("agnet = 'X'", "agnet"),
        ("parallel = 0", "Expected `int` >= 1 - at `$.parallel`"),
        ("[task.x]\nretries = -1", "task.x: Expected `int` >= 0 - at `$.retries`"),
        ("grouping = 'clever'", "clever"),
        ("budget = 3", "$.budget"),
        ("max_tasks = 'many'", "max_tasks"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, text, expected):
    file = tmp_path / "roadmap.toml"
    file.write_text(text)
    with pytest.raises(PlanError) as caught:
        load(file, {})
    assert str(file) in str(caught.value)
    assert expected in str(caught.value)
