"""BMAD: stories, their acceptance criteria and tasks."""

from __future__ import annotations

import pytest

from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.bmad import FORMAT

STORY = """
    # Story 1.2: Sign in

    Status: {status}

    ## Story
    **As a** user,
    I want to sign in.

    ## Acceptance Criteria
    1. A form is shown
       with two fields
    2. **Given** a wrong password, it says so

    ## Tasks / Subtasks
    - [ ] Task 1: Build the form (AC: #1, 2)
      - [x] Subtask 1.1: Fields in `src/form.tsx`
    - [ ] Task 2 (AC: 2)
    - [ ] Without a number (AC: 9)

    ## Dev Agent Record
    ### File List
    - src/form.tsx
    ### Checklist
    - [ ] linted
    """


@pytest.fixture
def story(read):
    return read(FORMAT, "docs/stories/1.2.sign-in.md", STORY.format(status="in-progress"))


def test_tasks_and_their_ids(story):
    assert [(task.id, task.title, task.status) for task in story.walk()] == [
        ("1.2-T1", "Build the form", "pending"),
        ("1.2-T1.1", "Fields in `src/form.tsx`", "done"),
        ("1.2-T2", "Task 2", "pending"),
        (story.tasks[2].id, "Without a number", "pending"),
    ]
    assert story.tasks[0].subtasks[0].files == ("src/form.tsx",)


def test_criteria_belong_to_the_tasks_that_name_them(story):
    first, second, third = story.tasks
    assert [item.text for item in first.acceptance] == [
        "A form is shown\nwith two fields",
        "**Given** a wrong password, it says so",
    ]
    assert first.references == ("AC 1", "AC 2")
    assert [item.text for item in second.acceptance] == ["**Given** a wrong password, it says so"]
    assert (third.references, third.acceptance) == (("AC 9",), ())
    assert [item.text for item in story.acceptance] == ["linted"]


def test_the_story_is_a_phase(story):
    (phase,) = story.phases
    assert (phase.id, phase.name, phase.barrier) == ("1.2", "Sign in", True)
    assert phase.goal == "As a user, I want to sign in."
    assert {task.phase for task in story.walk()} == {"1.2"}
    assert not story.problems


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        ("ready-for-dev", []),
        ("review", []),
        ("Draft", ["not-ready"]),
        ("done", ["status-mismatch"]),
    ],
)
def test_the_status_of_a_story(read, status, codes):
    document = read(FORMAT, "docs/stories/1.2.sign-in.md", STORY.format(status=status))
    assert [problem.code for problem in document.problems] == codes


def test_a_directory_of_stories_in_their_order(plan, tmp_path):
    text = "# Story {0}: S\n\nStatus: done\n\n## Acceptance Criteria\n## Tasks\n- [x] Task 1: a\n"
    plan(
        FORMAT,
        "docs/stories/10.1.c.md",
        text.format("10.1").encode(),
        **{
            "docs/stories/2-10-b.md": text.format("2.10"),
            "docs/stories/2.9.a.md": text.format("2.9"),
            "docs/stories/notes.md": "- [ ] no",
            "docs/sprint-status.yaml": "development_status:\n  epic-2: backlog\n"
            "  2-9-a: review\n  2-10-b: done\n",
        },
    )
    source = Source(root=tmp_path, path=tmp_path / "docs/stories")
    assert FORMAT.recognises(source) == 90
    document = FORMAT.read(source, Reading())
    assert [phase.id for phase in document.phases] == ["2.9", "2.10", "10.1"]
    assert [task.id for task in document.tasks] == ["2.9-T1", "2.10-T1", "10.1-T1"]
    assert document.tasks[0].path == "docs/stories/2.9.a.md"
    assert [(p.code, p.path) for p in document.problems] == [
        ("status-mismatch", "docs/stories/2.9.a.md")
    ]


def test_a_directory_without_stories_is_refused(tmp_path):
    with pytest.raises(NotReadable, match="expected stories"):
        FORMAT.read(Source(root=tmp_path, path=tmp_path), Reading())


@pytest.mark.parametrize(
    ("text", "sure"),
    [(STORY, 90), ("## Acceptance Criteria\n## Tasks\n", 70), ("## Tasks\n- [ ] a\n", 0)],
)
def test_how_sure_it_is(plan, text, sure):
    assert FORMAT.recognises(plan(FORMAT, "1.2.a.md", text).source) == sure
