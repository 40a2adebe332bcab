"""Kiro and cc-sdd."""

from __future__ import annotations

import pytest

from stoker.roadmaps.formats.kiro import FORMAT
from stoker.roadmaps.writing import apply

TASKS = """
    # Implementation Plan

    - [x] 1. Set up the project
      - Create `src/app.py` and its tests
      - _Requirements: 1.1, 2.3_
    - [-] 2. Implement models
      - [x] 2.1 Create the model
        - _Requirements: 1.2_
      - [ ]* 2.2 Write property tests
        - **Property 4: Round trip**
        - **Validates: Requirements 3.2, 3.3**
      - [ ] 2.3 Relations
    - [ ] 3. Checkpoint - Ensure all tests pass
      - Ensure all tests pass, ask the user if questions arise.
    - [ ] 4. Flat
    - [ ] 4.1 (P) Part beside it
      - _Depends: 1, 2.1_
      - _Boundary: Parser_
      - _Contracts: api.yaml_
    - [ ] 4.2 Another part (P)
      - _Depends: 9.9_
    """


@pytest.fixture
def spec(read):
    return read(
        FORMAT,
        ".kiro/specs/app/tasks.md",
        TASKS,
        **{
            ".kiro/specs/app/requirements.md": "r",
            ".kiro/specs/app/design.md": "d",
            ".kiro/steering/tech.md": "t",
            ".kiro/specs/app/spec.json": '{"phase": "tasks-generated", "approvals": '
            '{"design": {"approved": true}, "tasks": {"generated": true, "approved": false}}}',
        },
    )


def test_numbers_are_ids_and_make_the_tree(spec):
    def tree(tasks):
        return {task.id: tree(task.subtasks) for task in tasks}

    assert tree(spec.tasks) == {
        "1": {},
        "2": {"2.1": {}, "2.2": {}, "2.3": {}},
        "3": {},
        "4": {"4.1": {}, "4.2": {}},
    }
    assert all(task.explicit for task in spec.walk())
    assert spec.tasks[0].title == "Set up the project"


def test_statuses_optional_tasks_and_gates(spec):
    of = {task.id: task for task in spec.walk()}
    assert (of["1"].status, of["2"].status, of["2.2"].status) == ("done", "in_progress", "pending")
    assert [task.id for task in spec.walk() if task.optional] == ["2.2"]
    assert [task.id for task in spec.walk() if task.gate] == ["3"]


def test_requirements_properties_and_files(spec):
    of = {task.id: task for task in spec.walk()}
    assert of["1"].references == ("1.1", "2.3")
    assert of["1"].files == ("src/app.py",)
    assert of["2"].references == ()
    assert of["2.2"].references == ("Property 4: Round trip", "3.2", "3.3")


def test_what_cc_sdd_adds(spec):
    of = {task.id: task for task in spec.walk()}
    assert (of["4.1"].title, of["4.2"].title) == ("Part beside it", "Another part")
    assert [task.id for task in spec.walk() if task.parallel] == ["4.1", "4.2"]
    assert of["4.1"].depends_on == ("1", "2.1")
    assert of["4.1"].references == ("Boundary: Parser", "Contracts: api.yaml")
    assert of["4.2"].depends_on == ()
    assert {(p.code, p.path) for p in spec.problems} == {
        ("unknown-dependency", ".kiro/specs/app/tasks.md"),
        ("not-approved", ".kiro/specs/app/spec.json"),
    }


def test_documents(spec):
    assert spec.documents == (
        ".kiro/specs/app/requirements.md",
        ".kiro/specs/app/design.md",
        ".kiro/steering/tech.md",
    )


def test_a_mark_in_the_midst_of_a_task_keeps_nobody_from_ticking_it(plan):
    spec = plan(FORMAT, "tasks.md", b"- [ ] 1. Parse (P) and print\n")
    document = spec.read()
    (task,) = document.tasks
    assert task.parallel
    apply(spec.source.root, FORMAT.edits(spec.source, document, task, "done"))
    assert spec.source.path.read_bytes() == b"- [x] 1. Parse (P) and print\n"


def test_in_progress_is_written(plan):
    spec = plan(FORMAT, "tasks.md", b"- [ ] 1. a\n")
    document = spec.read()
    (edit,) = FORMAT.edits(spec.source, document, document.tasks[0], "in_progress")
    assert (edit.before, edit.after) == (b" ", b"-")
    assert FORMAT.edits(spec.source, document, document.tasks[0], "blocked") == []


@pytest.mark.parametrize(
    ("path", "text", "sure"),
    [
        (".kiro/specs/a/tasks.md", "- [ ] 1. a\n", 95),
        (".kiro/specs/a/tasks.md", "- [ ] a\n", 60),
        ("tasks.md", "- [ ] 1. a\n  - [ ]* 1.1 b\n", 70),
        ("tasks.md", "- [ ] 1. a\n- [ ] 2. b\n", 0),
    ],
)
def test_how_sure_it_is(plan, path, text, sure):
    assert FORMAT.recognises(plan(FORMAT, path, text.encode()).source) == sure
