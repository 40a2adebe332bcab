"""The benchmark command works: tiny sizes, one round, and only programs that are there anyway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _bench(*options: str | Path) -> str:
    argv = [sys.executable, "-m", "benchmarks", *options]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The table of a quick run of what needs no peers."""
    output = tmp_path_factory.mktemp("bench") / "table.md"
    options = ("--only", "lines", "floors", "many", "resume", "agent")
    printed = _bench("--quick", *options, "--output", output, "--directory", output.parent)
    assert output.read_text() == printed
    return _rows(printed)


def test_one_table_with_a_value_and_unit_in_every_row(rows: list[list[str]]) -> None:
    head, rule, *found = rows
    assert head[:3] == ["measure", "who", "value"]
    assert all(set(cell) == {"-"} for cell in rule)
    assert {len(row) for row in rows} == {len(head)}
    for row in found:
        number, unit = row[2].split()
        assert float(number.replace(",", "")) > 0
        assert unit in ("s", "ms", "us", "MB")


def test_every_measure_of_stoker_stands_beside_its_floor(rows: list[list[str]]) -> None:
    found = rows[2:]
    measures = [row[0] for row in found if row[0]]
    assert sum(measure.startswith("journal transition") for measure in measures) == 4
    assert any(measure.startswith("resume with 50") for measure in measures)
    floors = [row[1] for row in found if row[1].startswith("bare")]
    ratios = [row[5] for row in found if row[5]]
    assert len(floors) == 7
    # And many runs beside one, an agent and the memory of many of them beside Python.
    assert len(ratios) == len(floors) + 3


def test_a_goal_is_judged(rows: list[list[str]]) -> None:
    assert {row[-1] for row in rows[2:] if row[-2]} <= {"met", "MISSED"}
    assert any(row[-2] for row in rows[2:])


def test_the_context_of_a_task_is_measured(tmp_path: Path) -> None:
    _, _, *found = _rows(_bench("--quick", "--only", "roadmap-context", "--directory", tmp_path))
    goals = [row[-1] for row in found if row[-2]]
    assert len(goals) == 5
    assert set(goals) <= {"met", "MISSED"}


def test_profile_accounts_for_the_whole_run(tmp_path: Path) -> None:
    printed = _bench("profile", "--steps", "20", "--width", "2", "--directory", tmp_path)
    parts = {line[:28].strip(): line[28:].split() for line in printed.splitlines()[2:]}
    assert {"posix_spawn itself", "journal", "wait for children"} <= parts.keys()
    shares = [float(figures[1].rstrip("%")) for figures in parts.values()]
    assert sum(shares) == pytest.approx(100, abs=1)
    assert int(parts["posix_spawn itself"][3]) == 20


def test_plan_files_are_read_beside_a_markdown_parser(tmp_path: Path) -> None:
    found = _rows(_bench("--quick", "--only", "roadmaps", "--directory", tmp_path))[2:]
    read = [row for row in found if row[0].startswith("200 tasks read")]
    assert [row[1] for row in read] == ["markdown-it-py"] * 3
    assert sum(row[1] == "stoker" and bool(row[5]) for row in found) == 3
    assert sum(row[0] == "one of them ticked" for row in found) == 3
