"""Any list of boxes; Ralph's fix_plan.md; plans of Codex."""

from __future__ import annotations

import pytest

from stoker.roadmaps.formats.checklist import FORMAT
from stoker.roadmaps.writing import apply


def test_every_marker_nests_and_keeps_its_section(read):
    document = read(
        FORMAT,
        "TODO.md",
        """
        # TODO

        About it.

        - [ ] before
        ## Now
        1. [ ] one
           - [X] part `src/a.py`
        2) [ ]* maybe
        ### Deep
        + [x] plus
        """,
    )
    assert (document.title, document.text) == ("TODO", "About it.")
    assert [(t.title, t.status, t.section, t.phase, t.optional) for t in document.walk()] == [
        ("before", "pending", "TODO", None, False),
        ("one", "pending", "Now", "now", False),
        ("part `src/a.py`", "done", "Now", "now", False),
        ("maybe", "pending", "Now", "now", True),
        ("plus", "done", "Deep", "now", False),
    ]
    assert document.tasks[1].subtasks[0].files == ("src/a.py",)
    assert not any(task.explicit for task in document.walk())


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("- [ ] a", "pending"),
        ("- [x] a", "done"),
        ("- [X] a", "done"),
        ("- [-] a", "skipped"),
        ("- [~] a", "in_progress"),
        ("- [/] a", "in_progress"),
        ("-[ ] a", "pending"),
        ("-[x] a", "done"),
        ("- [ ] ~~a~~", "skipped"),
        ("- [x] ~~a~~", "done"),
        ("- [ ] a (blocked)", "blocked"),
        ("- [ ] a (blocked by b)", "blocked"),
        ("- [x] a (blocked)", "done"),
        ("- [ ] ~~a~~ b", "pending"),
        ("- [ ] unblocked a", "pending"),
    ],
)
def test_what_boxes_and_words_say(read, line, status):
    (task,) = read(FORMAT, "TODO.md", line.encode()).tasks
    assert task.status == status


def test_ids_follow_from_words_and_ancestry_only(read):
    first = read(FORMAT, "T.md", b"# T\n## A\n- [ ] x\n- [ ] y\n  - [ ] x\n## B\n- [ ] x\n")
    moved = read(
        FORMAT,
        "T.md",
        b"# Other\n\ntext\n## B\n- [x] **x**\n## A\n* [ ] new\n* [X] y\n  1. [x] x\n* [ ]  X\n",
    )
    of = {(task.title.casefold(), task.section, task.column): task.id for task in first.walk()}
    assert len(set(of.values())) == 4
    for task in moved.walk():
        if task.title != "new":
            assert task.id == of[task.title.casefold(), task.section, task.column], task


def test_twins_are_told_apart_by_what_is_written_with_them(read):
    text = "- [ ] x\n  one\n- [ ] x\n  two\n- [ ] x\n- [ ] x\n"
    ids = [task.id for task in read(FORMAT, "T.md", text.encode()).tasks]
    assert len(set(ids)) == 4
    swapped = "- [ ] x\n  two\n- [ ] x\n- [x] x\n  one\n- [ ] x\n"
    again = [task.id for task in read(FORMAT, "T.md", swapped.encode()).tasks]
    assert (again[2], again[0], {again[1], again[3]}) == (ids[0], ids[1], set(ids[2:]))


def test_ralphs_priorities_and_files(read):
    document = read(
        FORMAT,
        ".ralph/fix_plan.md",
        b"## Priority 1: Core\n- [ ] a\n## Priority 3: Later\n- [ ] b\n## Low Priority\n- [ ] c\n"
        b"## Discovered\n- [ ] d\n",
        **{".ralph/PROMPT.md": "p", ".ralph/AGENT.md": "a", ".ralph/specs/x.md": "s"},
    )
    assert [task.priority for task in document.tasks] == ["high", "low", "low", None]
    assert document.documents == (".ralph/PROMPT.md", ".ralph/AGENT.md", ".ralph/specs/x.md")


EXEC_PLAN = """\
# Add a thing

## Purpose / Big Picture
- [ ] not a step

## Progress
- [x] (2025-10-01 13:00Z) First step
- [ ] Second step (remaining: all)

## Surprises & Discoveries
## Decision Log
## Outcomes & Retrospective
## Validation and Acceptance
- [ ] it works
"""


@pytest.mark.parametrize("wrap", ["{}", "```md\n{}```\n", "```markdown\n{}\n```"])
def test_plans_of_codex_have_their_tasks_under_progress(read, wrap):
    document = read(FORMAT, "PLANS.md", wrap.format(EXEC_PLAN).encode())
    assert [(task.title, task.status) for task in document.tasks] == [
        ("First step", "done"),
        ("Second step (remaining: all)", "pending"),
    ]
    assert [item.text for item in document.acceptance] == ["not a step", "it works"]
    assert document.title == "Add a thing"


def test_a_time_in_the_midst_of_a_step_keeps_nobody_from_ticking_it(plan):
    text = EXEC_PLAN.replace("(remaining: all)", "(2025-10-02 09:00Z) begun")
    steps = plan(FORMAT, "PLANS.md", text.encode())
    document = steps.read()
    apply(steps.source.root, FORMAT.edits(steps.source, document, document.tasks[1], "done"))
    assert steps.source.path.read_text() == text.replace("[ ] Second", "[x] Second")


def test_criteria_of_a_task_belong_to_it(read):
    document = read(
        FORMAT,
        "T.md",
        """
        - [ ] task
          - Acceptance criteria:
            - [ ] fast
            - [x] small
          - [ ] part
        """,
    )
    (task,) = document.tasks
    assert [item.text for item in task.acceptance] == ["fast", "small"]
    assert [part.title for part in task.subtasks] == ["part"]


def test_a_command_to_verify_by(read):
    texts = ("verify: `make check`", "**Verify**: npm test", "verify: it looks right", "verify it")
    text = "".join(f"- [ ] a{n}\n  - {said}\n" for n, said in enumerate(texts))
    tasks = read(FORMAT, "T.md", text.encode()).tasks
    assert [task.verify for task in tasks] == ["make check", "npm test", None, None]


def test_a_file_without_tasks_says_so(read):
    assert [p.code for p in read(FORMAT, "T.md", b"# Nothing\n").problems] == ["no-tasks"]


@pytest.mark.parametrize(
    ("name", "text", "sure"),
    [
        ("TODO.md", "- [ ] a\n", 30),
        ("notes.md", "1. [x] a\n", 20),
        ("notes.md", "# no boxes\n", 0),
        ("a.json", "- [ ] a\n", 0),
    ],
)
def test_how_sure_it_is(plan, name, text, sure):
    assert FORMAT.recognises(plan(FORMAT, name, text.encode()).source) == sure
