"""Ralph's prd.json and Cursor's plans."""

from __future__ import annotations

import pytest
from plan_edits import marks_hold, parse, set_all

from stoker.roadmaps.format import NotReadable, Source
from stoker.roadmaps.formats.cursor import FORMAT as CURSOR
from stoker.roadmaps.formats.prd import FORMAT as PRD

STORIES = """\
{
    "project": "Shop", "branchName": "ralph/x", "description": "Sell things",
    "userStories": [
        {"id": "US-002", "title": "Cart", "acceptanceCriteria": ["adds", "removes"],
         "priority": 2, "passes": false, "notes": "see \\"passes\\": false"},
        {"id": "US-001", "title": "Shelf", "priority": 1, "passes": true},
        {"id": "US-003", "title": "Caché", "priority": 2},
        {"id": "US-004", "title": "Pay", "priority": 3 , "passes" :false }
    ]
}
"""
PLAN = """\
---
name: Rewrite
overview: Do it — well
todos:
  - id: one
    content: "First: thing"
    status: pending
  - id: two
    content: Second
    status: "in_progress"
    dependencies:
      - one
  - {id: three, content: Third}
  - id: four
    content: Fourth
  - id: five
    content: Fifth
    status: completed
isProject: false
---

# Plan

- [ ] a box in prose
"""


def test_stories_are_read_in_the_order_of_their_priority(tmp_path):
    path = tmp_path / "prd.json"
    path.write_text(STORIES)
    (tmp_path / "progress.txt").write_text("## Codebase Patterns\n")
    source, roadmap = parse(PRD, path)
    assert PRD.recognises(source) == PRD.recognises(Source(root=tmp_path, path=tmp_path)) == 95
    assert (roadmap.title, roadmap.text) == ("Shop", "Sell things")
    assert roadmap.documents == ("progress.txt",)
    assert [(task.id, task.status, task.depends_on) for task in roadmap.tasks] == [
        ("US-001", "done", ()),
        ("US-002", "pending", ("US-001",)),
        ("US-003", "pending", ("US-001",)),
        ("US-004", "pending", ("US-002", "US-003")),
    ]
    assert [criterion.text for criterion in roadmap.tasks[1].acceptance] == ["adds", "removes"]
    marks_hold(roadmap)


def test_stories_pass_or_not_and_nothing_else_changes(tmp_path):
    path = tmp_path / "prd.json"
    path.write_text(STORIES)
    source, roadmap = parse(PRD, path)
    assert PRD.edits(source, roadmap, roadmap.tasks[1], "in_progress") == ()
    assert set_all(PRD, source, roadmap, "done") == 3
    expected = (
        STORIES.replace('2, "passes": false', '2, "passes": true')
        .replace('"passes" :false', '"passes" :true')
        .replace('{"id": "US-003"', '{"passes": true,"id": "US-003"')
    )
    assert path.read_text() == expected
    source, again = parse(PRD, path)
    assert {task.status for task in again.tasks} == {"done"}
    assert set_all(PRD, source, again, "blocked") == 4
    _, again = parse(PRD, path)
    assert {task.status for task in again.tasks} == {"pending"}


def test_written_dependencies_of_stories_count(tmp_path):
    path = tmp_path / "prd.json"
    path.write_text('{"userStories": [{"id": "a", "dependsOn": ["b"]}, {"id": "b"}, {"id": ""}]}')
    _, roadmap = parse(PRD, path)
    assert [task.depends_on for task in roadmap.tasks] == [("b",), ()]
    assert [(one.code, one.line) for one in roadmap.problems] == [("no-id", 1)]
    path.write_text('{"stories": []}')
    assert PRD.recognises(Source(root=tmp_path, path=path)) == 0
    with pytest.raises(NotReadable, match="expected a list `userStories`, found none"):
        parse(PRD, path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_todos_of_a_cursor_plan(tmp_path, end):
    path = tmp_path / "x.plan.md"
    text = PLAN.replace("\n", end)
    path.write_bytes(text.encode())
    source, roadmap = parse(CURSOR, path)
    assert CURSOR.recognises(source) == 95
    assert roadmap.title == "Rewrite"
    assert "a box in prose" in roadmap.text
    assert [(task.id, task.title, task.status, task.line) for task in roadmap.tasks] == [
        ("one", "First: thing", "pending", 5),
        ("two", "Second", "in_progress", 8),
        ("three", "Third", "pending", 13),
        ("four", "Fourth", "pending", 14),
        ("five", "Fifth", "done", 16),
    ]
    assert roadmap.tasks[1].depends_on == ("one",)
    marks_hold(roadmap)
    assert CURSOR.edits(source, roadmap, roadmap.tasks[0], "blocked") == ()
    assert set_all(CURSOR, source, roadmap, "done") == 4
    expected = (
        text.replace("status: pending", "status: completed")
        .replace('status: "in_progress"', 'status: "completed"')
        .replace("{id: three", "{status: completed, id: three")
        .replace("  - id: four", f"  - status: completed{end}    id: four")
    )
    assert path.read_bytes().decode() == expected
    _, again = parse(CURSOR, path)
    assert {task.status for task in again.tasks} == {"done"}


def test_bad_cursor_plans_are_told(tmp_path):
    path = tmp_path / "x.plan.md"
    path.write_text("---\ntodos:\n  - {id: a, status: later}\n  - b\n  - {id: a}\n---\n")
    _, roadmap = parse(CURSOR, path)
    assert [(one.code, one.line) for one in roadmap.problems] == [
        ("unknown-status", 3),
        ("no-id", 4),
        ("duplicate-id", 5),
    ]
    path.write_text("---\na: 'b\nc: [\n---\n")
    assert CURSOR.recognises(Source(root=tmp_path, path=path)) == 60
    with pytest.raises(NotReadable, match=r"x.plan.md:\d: not YAML"):
        parse(CURSOR, path)
    path.write_text("# Only prose\n\n- [ ] box\n")
    assert CURSOR.recognises(Source(root=tmp_path, path=path)) == 0
    with pytest.raises(NotReadable, match="expected front matter with a list `todos`"):
        parse(CURSOR, path)
