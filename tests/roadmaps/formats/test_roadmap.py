"""ROADMAP v1.0: what it says, and what the older parser made of it wrongly."""

from __future__ import annotations

import pytest

from stoker.roadmaps.formats.roadmap import FORMAT

WHOLE = """
    # Project ROADMAP

    What this is about.

    ## Phase 0: Foundation

    > **Goal**: Establish the core
    > **Priority**: HIGH
    > **Effort**: 1 week

    The base of it all.

    ### 0.1 Project Setup

    **Files**: `pyproject.toml`, `src/__init__.py`

    - [x] **Initialize the project**
      Set up pyproject.toml.

    ### 0.2 Models

    **File**: `src/models.py`

    - [ ] **Define data models**: with care
      Create models for entities.

      Typed ones.

      ```python
      class User:
          id: str
      ```

      - [ ] Add User model
      - [x] Add Project model

      After the parts.
    - [ ] plain title
      **Files**: `src/own.py`

    ---

    ## phase A - Experimental

    > **Prerequisite**: Phase 0 complete

    #### A.1.2 Deep

    * [ ] star
    + [X] plus
    1. [ ] one

    ## Phase 2.5

    - [ ] without a section
    """


@pytest.fixture
def whole(read):
    return read(FORMAT, "ROADMAP.md", WHOLE)


def test_title_text_and_phases(whole):
    assert (whole.title, whole.text, whole.format) == (
        "Project ROADMAP",
        "What this is about.",
        "roadmap",
    )
    assert [(phase.id, phase.name, phase.line, phase.priority) for phase in whole.phases] == [
        ("0", "Foundation", 5, "high"),
        ("A", "Experimental", 43, "medium"),
        ("2.5", "", 53, "medium"),
    ]
    first, second, _ = whole.phases
    assert (first.goal, first.effort) == ("Establish the core", "1 week")
    assert first.text.endswith("The base of it all.")
    assert second.depends_on == ("0",)
    assert not whole.problems


def test_tasks_with_their_ids_lines_and_columns(whole):
    assert [
        (task.id, task.title, task.status, task.line, task.column) for task in whole.walk()
    ] == [
        ("0.1.1", "Initialize the project", "done", 17, 1),
        ("0.2.1", "Define data models", "pending", 24, 1),
        ("0.2.1.1", "Add User model", "pending", 34, 3),
        ("0.2.1.2", "Add Project model", "done", 35, 3),
        ("0.2.2", "plain title", "pending", 38, 1),
        ("A.2.1", "star", "pending", 49, 1),
        ("A.2.2", "plus", "done", 50, 1),
        ("A.2.3", "one", "pending", 51, 1),
        (whole.tasks[-1].id, "without a section", "pending", 55, 1),
    ]
    assert [task.section for task in whole.tasks][:2] == ["0.1 Project Setup", "0.2 Models"]


def test_what_follows_a_bold_title_is_not_lost_above_its_parts(read):
    document = read(FORMAT, "ROADMAP.md", "- [ ] **Bold** and more\n  - [ ] part\n")
    assert document.tasks[0].description == "and more"


def test_description_context_and_code(whole):
    task = whole.tasks[1]
    assert task.description == "with care\nCreate models for entities.\n\nTyped ones."
    assert task.context.startswith(
        "  Create models for entities.\n\n  Typed ones.\n\n  ```python\n"
    )
    assert task.context.endswith("\n\n  After the parts.")
    (code,) = task.code
    assert (code.language, code.text, code.line) == (
        "python", "class User:\n    id: str", 29)  # fmt: skip


def test_files_of_the_section_and_of_the_task(whole):
    assert whole.tasks[0].files == ("pyproject.toml", "src/__init__.py")
    assert whole.tasks[1].files == ("src/models.py",)
    assert whole.tasks[2].files == ("src/own.py", "src/models.py")
    assert whole.tasks[3].files == ()


def test_boxes_and_headings_in_fences_and_comments_are_neither(read):
    document = read(
        FORMAT,
        "R.md",
        """
        ## Phase 1: Real
        ### 1.1 Section
        ```md
        ## Phase 9: No
        - [ ] no
        ```
        <!--
        ### 9.9 No
        - [ ] no
        -->
        - [ ] yes
        """,
    )
    assert [phase.id for phase in document.phases] == ["1"]
    assert [task.id for task in document.walk()] == ["1.1.1"]
    assert {problem.code for problem in document.problems} == {"fenced-boxes", "commented-boxes"}


def test_no_task_is_lost_between_headings(read):
    document = read(
        FORMAT,
        "R.md",
        """
        - [ ] before everything
        # Title
        - [ ] before the first phase
        ## Phase 1: One
        - [ ] before its first section
        ### 1.1 S
        - [ ] in it
        ### No number
        - [ ] also
        ## Notes
        - [ ] not in a phase
        """,
    )
    tasks = list(document.walk())
    assert [(task.title, task.phase) for task in tasks] == [
        ("before everything", None),
        ("before the first phase", None),
        ("before its first section", "1"),
        ("in it", "1"),
        ("also", "1"),
        ("not in a phase", None),
    ]
    assert len({task.id for task in tasks}) == 6


def test_ids_of_nested_and_repeated_sections_do_not_collide(read):
    document = read(
        FORMAT,
        "R.md",
        """
        ## Phase 2: Two
        ### 2.1 First
        - [ ] a
          - [ ] part
        #### 2.1.1 Nested
        - [ ] b
          - [ ] part
        ### 2.1 Again
        - [ ] c
        ### 2.1 Again
        - [ ] d
        ## Phase 2: Repeated
        ### 2.1 First
        - [ ] e
        """,
    )
    assert [task.id for task in document.walk()] == [
        "2.1.1",
        "2.1.1.1",
        "2.1-1.1",
        "2.1-1.1.1",
        "2.1-again.1",
        "2.1-again-2.1",
        "2-repeated.1.1",
    ]
    assert [problem.code for problem in document.problems] == ["duplicate-phase"]


def test_ids_do_not_depend_on_ticks(plan, read):
    before = [task.id for task in read(FORMAT, "R.md", WHOLE).walk()]
    ticked = WHOLE.replace("[ ]", "[x]")
    assert [task.id for task in read(FORMAT, "R.md", ticked).walk()] == before


def test_acceptance_criteria_are_no_tasks(read):
    document = read(
        FORMAT,
        "R.md",
        """
        ## Phase 1: One
        ### 1.1 S
        - [ ] task

        **Acceptance Criteria**:

        - [ ] it is fast
        - [x] it is small

        ### Definition of Done
        - [ ] all is green
        """,
    )
    (task,) = document.walk()
    assert [(item.text, item.done) for item in task.acceptance] == [
        ("it is fast", False),
        ("it is small", True),
    ]
    assert [item.text for item in document.acceptance] == ["all is green"]


def test_what_is_wrong_with_a_phase_is_named(read):
    document = read(
        FORMAT,
        "R.md",
        """
        ## Phase 1: One
        > **Priority**: SOON
        > **Prerequisites**: Phase 7, coffee
        - [ ] a
        """,
    )
    assert [(problem.code, problem.line) for problem in document.problems] == [
        ("bad-priority", 2),
        ("unknown-dependency", 3),
    ]


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("## Phase 1: X\n> **Goal**: y\n- [ ] a\n", 80),
        ("## PHASE A\n- [ ] a\n", 60),
        ("## Phase 1: Setup\n- [ ] T001 a\n", 0),
        ("# Other\n- [ ] a\n", 0),
    ],
)
def test_how_sure_it_is(plan, text, sure):
    assert FORMAT.recognises(plan(FORMAT, "R.md", text.encode()).source) == sure
