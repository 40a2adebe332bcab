"""Columns of text, and views that keep to them."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from stoker.cli.live_view import Frame, Row, render
from stoker.cli.output import cells, cut, padded


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("plain", 5), ("构建", 4), ("🚀", 2), ("e\u0301te\u0301", 3), ("ﾊﾝ", 2), ("a🚀b", 4)],
)
def test_columns_of_text(text: str, width: int) -> None:
    assert cells(text) == width
    assert padded(text, 7) == text + " " * (7 - width)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("plain", 5, "plain"),
        ("plain", 4, "pla…"),
        ("构建测试", 8, "构建测试"),
        ("构建测试", 7, "构建测…"),
        ("构建测试", 6, "构建…"),
        ("构建", 1, "…"),
        ("构建", 0, ""),
    ],
)
def test_text_is_cut_to_columns(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


FRAME = Frame(
    rows=(Row("a-step-with-a-long-name", 3725.0, 12.0), Row("构建-所有-东西", 1.0, None)),
    more=12,
    waiting=("发布 for a person", "flaky to try again"),
    next=("测试", "publish", "announce"),
    settled=1234,
    total=10_000,
    failed=17,
    elapsed=7325.0,
    remaining=3725.0,
)


def screen(width: int, frame: Frame = FRAME, height: int = 25) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, no_color=True
    )
    lines = console.render_lines(render(frame, console), pad=False)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


@pytest.mark.parametrize("width", [1, 5, 10, 20, 30, 40, 60, 80, 200])
def test_the_display_keeps_to_its_columns_and_lines(width: int) -> None:
    lines = screen(width)
    assert len(lines) == 6
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("height", "shown"),
    [
        (1, []),
        (2, []),
        (3, ["and 14 more"]),
        (4, ["and 14 more", "waiting"]),
        (5, ["and 14 more", "waiting", "next"]),
        (6, ["a-step", "and 13 more", "waiting", "next"]),
        (7, ["a-step", "构建", "and 12 more", "waiting", "next"]),
        (50, ["a-step", "构建", "and 12 more", "waiting", "next"]),
    ],
)
def test_the_display_is_lower_than_the_terminal(height: int, shown: list[str]) -> None:
    *lines, bar = screen(80, height=height)
    assert "1234/10000" in bar
    assert [found in line for found, line in zip(shown, lines, strict=True)] == [True] * len(shown)


def test_a_narrow_display_shows_what_matters_most() -> None:
    assert screen(20)[-1] == "1234/10000 17 failed"
    assert screen(20)[0].split(maxsplit=1)[1] == "a-step-… 1 h 2 min"
    assert screen(20)[1].split(maxsplit=1)[1] == "构建-所… 1.0 s"
    first, second, *_, last = screen(100)
    assert first.endswith("a-step-with-a-long-name 1 h 2 min of about 12 s")
    assert cell_len(second.partition("1.0")[0]) == len(first.partition("1 h")[0])
    assert last.endswith("1234/10000 12% 2 h 2 min 17 failed about 1 h 2 min left")


def test_rows_of_wide_names_are_aligned(project) -> None:
    plan = project.plan({"id": "构建", "run": "true"}, {"id": "test-all", "run": "true"})
    dry = project.run("run", plan, "--dry-run").stdout.splitlines()
    assert [cell_len(line.partition("true")[0]) for line in dry[1:3]] == [12, 12]
    project.run("run", plan)
    rows = project.run("show").stdout.splitlines()[-2:]
    assert [cell_len(row) for row in rows] == [cell_len(rows[0])] * 2
