"""spec-kit: ids, labels, phases as barriers, checklists as gates."""

from __future__ import annotations

import pytest

from stoker.roadmaps.format import NotReadable
from stoker.roadmaps.formats.spec_kit import FORMAT

TASKS = """
    # Tasks: Photos

    **Prerequisites**: plan.md (required)

    ## Format: `[ID] [P?] [Story] Description`

    - **[P]**: Can run in parallel

    ## Phase 1: Setup (Shared Infrastructure)

    **Purpose**: Project initialization

    - [X] T001 Create project structure
    - [ ] T002 [P] Configure linting in pyproject.toml

    ---

    ## Phase 3: User Story 1 - Title (Priority: P1) 🎯 MVP

    **Goal**: What this story delivers

    **Independent Test**: Run it and verify:
    - A directory is created
    - It is not empty

    ### Implementation for User Story 1

    - [ ] T012 [P] [US1] Create [Entity] model in src/models/entity.py
    - [ ] T013a [US1] Service in `src/services/` (depends on T001, T012)
      - [ ] a part
    * [ ] **T014** All of it (depends on T012-T013a and T099)

    **Checkpoint**: User Story 1 works

    ```bash
    - [ ] T900 an example
    ```

    ## Phase 4: User Story 2 (Priority: P2)

    - [ ] no id here

    ## Validation Checklist

    - [ ] All contracts have tests
    """
BESIDE = {
    "specs/001-photos/spec.md": "# Spec",
    "specs/001-photos/plan.md": "# Plan",
    "specs/001-photos/contracts/api.yaml": "a: 1",
    "specs/001-photos/checklists/ux.md": "- [ ] CHK001 Is it clear?\n- [x] CHK002 Is it fast?\n",
    ".specify/memory/constitution.md": "# C",
}


@pytest.fixture
def photos(read):
    return read(FORMAT, "specs/001-photos/tasks.md", TASKS, **BESIDE)


def test_ids_labels_files_and_status(photos):
    assert [
        (task.id, task.title, task.status, task.parallel, task.references, task.files)
        for task in photos.tasks[:4]
    ] == [
        ("T001", "Create project structure", "done", False, (), ()),
        ("T002", "Configure linting in pyproject.toml", "pending", True, (), ("pyproject.toml",)),
        ("T012", "Create [Entity] model in src/models/entity.py", "pending", True,
         ("US1",), ("src/models/entity.py",)),
        ("T013a", "Service in `src/services/` (depends on T001, T012)", "pending", False,
         ("US1",), ("src/services/",)),
    ]  # fmt: skip
    assert all(task.explicit for task in photos.tasks[:5])
    (part,) = photos.tasks[3].subtasks
    assert (part.title, part.explicit) == ("a part", False)


def test_dependencies_lists_ranges_and_those_that_are_not_there(photos):
    assert photos.tasks[3].depends_on == ("T001", "T012")
    assert photos.tasks[4].id == "T014"
    assert photos.tasks[4].depends_on == ("T012", "T013a")
    unknown = [p for p in photos.problems if p.code == "unknown-dependency"]
    assert [p.message for p in unknown] == ["depends on T099, which is not there: not observed"]


def test_phases_are_barriers_with_what_their_paragraphs_say(photos):
    assert [(phase.id, phase.name, phase.priority, phase.goal) for phase in photos.phases] == [
        ("1", "Setup (Shared Infrastructure)", "medium", "Project initialization"),
        ("3", "User Story 1 - Title (Priority: P1) 🎯 MVP", "high", "What this story delivers"),
        ("4", "User Story 2 (Priority: P2)", "medium", ""),
    ]
    assert all(phase.barrier for phase in photos.phases)
    assert photos.phases[1].test_strategy == (
        "Run it and verify:\n- A directory is created\n- It is not empty\nUser Story 1 works"
    )
    assert [task.phase for task in photos.tasks] == ["1", "1", "3", "3", "3", "4"]
    assert "Checkpoint" not in photos.tasks[4].context


def test_checklists_are_gates_and_never_tasks(photos):
    (gate,) = photos.gates
    assert (gate.name, gate.path) == ("ux", "specs/001-photos/checklists/ux.md")
    assert [(item.text, item.done) for item in gate.items] == [
        ("CHK001 Is it clear?", False),
        ("CHK002 Is it fast?", True),
    ]
    assert [item.text for item in photos.acceptance] == ["All contracts have tests"]
    assert not [task for task in photos.walk() if "CHK" in task.title or "contracts" in task.title]


def test_a_box_without_an_id_is_a_task_and_a_warning(photos):
    assert photos.tasks[-1].title == "no id here"
    assert [p.line for p in photos.problems if p.code == "box-without-id"] == [41]


def test_documents_beside_it(photos):
    assert photos.documents == (
        "specs/001-photos/spec.md",
        "specs/001-photos/plan.md",
        "specs/001-photos/contracts/api.yaml",
        ".specify/memory/constitution.md",
    )


def test_a_directory_is_read_as_its_tasks(plan, tmp_path):
    whole = plan(FORMAT, "specs/001-photos/tasks.md", TASKS, **BESIDE)
    whole.source = type(whole.source)(root=tmp_path, path=tmp_path / "specs/001-photos")
    document = whole.read()
    assert document.source == "specs/001-photos"
    assert document.tasks[0].path == "specs/001-photos/tasks.md"
    (tmp_path / "specs/001-photos/tasks.md").unlink()
    with pytest.raises(NotReadable, match=r"tasks\.md"):
        whole.read()


def test_an_id_twice_is_told_apart_and_no_dependency(read):
    text = b"## Phase 1: A\n- [ ] T001 a\n- [ ] T001 b\n- [ ] T002 c (depends on T001)\n"
    document = read(FORMAT, "tasks.md", text)
    first, second, _ = document.tasks
    assert first.id == "T001"
    assert second.id.startswith("T001-")
    assert [(p.severity, p.code, p.line) for p in document.problems] == [
        ("warning", "duplicate-id", 3),
        ("error", "ambiguous-dependency", 4),
    ]


@pytest.mark.parametrize(
    ("path", "text", "sure"),
    [
        ("specs/001-a/tasks.md", "- [ ] T001 a\n", 75),
        ("tasks.md", "- [ ] T001 a\n- [x] T002 [P] b\n- [X] T003 c\n", 95),
        (".specify/templates/tasks-template.md", "- [ ] T001 a\n", 0),
        ("tasks.md", "- [ ] T1 a\n", 0),
    ],
)
def test_how_sure_it_is(plan, path, text, sure):
    assert FORMAT.recognises(plan(FORMAT, path, text.encode()).source) == sure
