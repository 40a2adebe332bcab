"""OpenSpec: every box counts, as its own tool counts."""

from __future__ import annotations

import pytest

from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.openspec import FORMAT

TASKS = """
    # Tasks

    ## 1. Set up
    - [x] 1.1 Create `src/a.py` - verify: `pytest -q tests/a`
    - [ ] 1.2 Look at it - verify: the page is blue
      - [ ] 1.2.1 nested

    ## 2. Build
    - [ ]no space
    ```md
    - [ ] 2.1 in a fence
    ```
    <!--
    * [X] 2.2 in a comment
    -->
    > - [ ] quoted
    1. [ ] numbered - verify: npm test
    """
CHANGE = "openspec/changes/add-a"
BESIDE = {
    f"{CHANGE}/proposal.md": "p",
    f"{CHANGE}/design.md": "d",
    f"{CHANGE}/specs/a/spec.md": "s",
    "openspec/project.md": "o",
}


@pytest.fixture
def change(read):
    return read(FORMAT, f"{CHANGE}/tasks.md", TASKS, **BESIDE)


def test_every_line_with_a_box_is_a_task(change):
    assert [(task.id, task.title, task.status, task.line) for task in change.walk()] == [
        ("1.1", "Create `src/a.py`", "done", 4),
        ("1.2", "Look at it", "pending", 5),
        ("1.2.1", "nested", "pending", 6),
        (change.tasks[2].id, "no space", "pending", 9),
        ("2.1", "in a fence", "pending", 11),
        ("2.2", "in a comment", "done", 14),
        (change.tasks[5].id, "numbered", "pending", 17),
    ]
    assert [(p.code, p.severity, p.line) for p in change.problems] == [("fenced-boxes", "note", 11)]


def test_groups_are_phases(change):
    assert [(phase.id, phase.name, phase.barrier) for phase in change.phases] == [
        ("1", "Set up", False),
        ("2", "Build", False),
    ]
    assert [task.phase for task in change.tasks] == ["1", "1", "2", "2", "2", "2"]


def test_how_to_verify_is_a_command_or_words(change):
    first, second, *_, last = change.tasks
    assert (first.verify, first.test_strategy) == ("pytest -q tests/a", "")
    assert (second.verify, second.test_strategy) == (None, "the page is blue")
    assert last.verify == "npm test"
    assert first.files == ("src/a.py",)


def test_documents_and_title(change):
    assert change.title == "add-a"
    assert change.documents == tuple(BESIDE)


def test_the_archive_is_done(read):
    path = "openspec/changes/archive/2025-01-01-add-a/tasks.md"
    assert {task.status for task in read(FORMAT, path, TASKS).walk()} == {"done"}


def test_a_schema_says_what_is_tracked(plan, tmp_path):
    text = "- [ ] 1.1 a\n"
    plan(
        FORMAT,
        f"{CHANGE}/one/tasks.md",
        text,
        **{
            f"{CHANGE}/two/tasks.md": text,
            f"{CHANGE}/.openspec.yaml": "schema: mine\n",
            "openspec/schemas/mine/schema.yaml": 'apply: {tracks: "**/tasks.md"}\n'
            'artifacts: [{id: work, generates: "**/tasks.md"}]\n',
        },
    )
    source = Source(root=tmp_path, path=tmp_path / CHANGE)
    document = FORMAT.read(source, Reading())
    assert [(task.id, task.path) for task in document.tasks] == [
        ("1.1", f"{CHANGE}/one/tasks.md"),
        ("two-1.1", f"{CHANGE}/two/tasks.md"),
    ]
    (tmp_path / CHANGE / ".openspec.yaml").unlink()
    with pytest.raises(NotReadable, match=r"expected tasks\.md in it"):
        FORMAT.read(source, Reading())


def test_how_sure_it_is(plan, tmp_path):
    change = plan(FORMAT, f"{CHANGE}/tasks.md", TASKS, **BESIDE)
    assert FORMAT.recognises(change.source) == 95
    assert FORMAT.recognises(Source(root=tmp_path, path=tmp_path / CHANGE)) == 95
    assert FORMAT.recognises(plan(FORMAT, "t.md", b"## 1. A\n- [ ] 1.1 a\n").source) == 65
    assert FORMAT.recognises(plan(FORMAT, "t.md", b"- [ ] 1.1 a\n").source) == 0
