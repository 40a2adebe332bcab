"""What tasks say they come after: honoured where it is there, told where it is not."""

from __future__ import annotations

import pytest

from stoker.roadmaps.formats import checklist, kiro, roadmap, spec_kit


def waits(document):
    return {task.id: task.depends_on for task in document.walk() if task.depends_on}


def told(document):
    return [
        (problem.code, problem.severity, problem.line, problem.column)
        for problem in document.problems
        if "dependency" in problem.code
    ]


def plan(line, *, below=""):
    return (
        "## Phase 1: One\n### 1.1 S\n- [ ] **Schema**\n- [ ] **Cart**\n  - [ ] its table\n"
        f"### 1.2 T\n- [ ] {line}\n{below}- [ ] last\n"
    ).encode()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Search (depends on 1.1.1)", ("1.1.1",)),
        ("Search (depends on: 1.1.1, `1.1.2.1`)", ("1.1.1", "1.1.2.1")),
        ("**Search** [depends: 1.1.1 and 1.1.2]", ("1.1.1", "1.1.2")),
        ("Search (Depends on 1.1)", ("1.1.1", "1.1.2")),
        ("Search (depends on Schema; cart)", ("1.1.1", "1.1.2")),
        ("Search (after 1.1.2)", ("1.1.2",)),
        ("Search (requires 1.1.1 & 1.1.2)", ("1.1.1", "1.1.2")),
        ("Search - depends on 1.1.1, 1.1.2.", ("1.1.1", "1.1.2")),
        ("Search, depends on: 1.1.1", ("1.1.1",)),
        ("Search (after lunch, requires Python 3.11)", None),
        ("Find what depends on pytest", None),
        ("Search (depends on nothing)", None),
    ],
)
def test_the_line_says_it(read, line, found):
    document = read(roadmap.FORMAT, "R.md", plan(line))
    assert waits(document) == ({"1.2.1": found} if found else {})
    assert told(document) == []


@pytest.mark.parametrize(
    "below",
    ["  Depends on: 1.1.1\n", "  - **Dependencies**: 1.1.1\n", "\n  *Depends on*: `1.1.1`\n\n"],
)
def test_a_line_below_says_it(read, below):
    document = read(roadmap.FORMAT, "R.md", plan("Search", below=below))
    assert waits(document) == {"1.2.1": ("1.1.1",)}
    assert told(document) == []


def test_what_is_not_there_is_told_with_its_place(read):
    document = read(
        roadmap.FORMAT,
        "R.md",
        plan("Search (depends on 9.9.9, 1.1.1, 1.2.1)", below="  Depends on: Nobody\n"),
    )
    assert waits(document) == {"1.2.1": ("1.1.1",)}
    assert told(document) == [
        ("unknown-dependency", "warning", 7, 1),
        ("unknown-dependency", "warning", 7, 1),
        ("unknown-dependency", "warning", 8, 1),
    ]
    assert [problem.message for problem in document.problems] == [
        "depends on 9.9.9, which is not there: not observed",
        "depends on itself: not observed",
        "depends on Nobody, which is not there: not observed",
    ]


def test_a_title_of_two_tasks_is_nobodys(read):
    document = read(checklist.FORMAT, "T.md", b"- [ ] a\n- [ ] a\n- [ ] b (depends on a)\n")
    assert waits(document) == {}
    assert [problem.message for problem in document.problems] == [
        "depends on a, as 2 tasks are called: not observed"
    ]


def test_a_task_below_does_not_speak_for_the_one_above(read):
    document = read(
        checklist.FORMAT, "T.md", b"- [ ] a\n  - [ ] part\n    Depends on: b\n- [ ] b\n"
    )
    a, b = document.tasks
    assert (a.depends_on, a.subtasks[0].depends_on) == ((), (b.id,))


def test_what_a_format_has_words_for_is_said_by_them(read):
    document = read(
        kiro.FORMAT,
        "tasks.md",
        b"- [ ] 1. A\n- [ ] 2. B (depends on 1)\n- [ ] 3. C\n  - _Depends: 2_\n",
    )
    assert waits(document) == {"2": ("1",), "3": ("2",)}
    document = read(
        spec_kit.FORMAT,
        "tasks.md",
        b"## Phase 1: A\n- [ ] T001 a\n- [ ] T002 b (depends on T001)\n"
        b"- [ ] T003 c (depends on T2)\n",
    )
    assert waits(document) == {"T002": ("T001",)}
    assert told(document) == [("unknown-dependency", "warning", 4, 1)]
