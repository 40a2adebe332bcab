"""Task Master's tasks.json: read as it reads it, changed in its statuses and nowhere else."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_edits import marks_hold, parse, set_all

from stoker.roadmaps import writing
from stoker.roadmaps.format import NotReadable, Reading, Source
from stoker.roadmaps.formats.taskmaster import FORMAT
from stoker.roadmaps.writing import Changed

FILE = """\
{
  "master": {
    "tasks": [
      {
        "id": 1, "title": "Dépôt — première étape", "description": "Set up", "details": "git init",
        "testStrategy": "run it", "status": "done", "dependencies": [], "priority": "high",
        "subtasks": []
      },
      {
        "id": "2",
        "title": "Login",
        "status":   "in-progress",
        "dependencies": [1],
        "priority": "medium",
        "relevantFiles": [{"path": "src/login.py", "description": "x", "action": "create"}],
        "acceptanceCriteria": ["it logs in", "it logs out"],
        "subtasks": [
          {"id": 1, "title": "Form", "status": "completed", "dependencies": []},
          {"id": 2, "title": "Session \\"status\\": \\"pending\\"", "status": "pending",
           "dependencies": [1, "3.1"]},
          {"id": 3, "title": "Logout", "status": "pending", "dependencies": []}
        ]
      },
      {"id": 3, "title": "Docs", "dependencies": ["9"], "priority": "critical",
       "subtasks": [{"id": 1, "title": "Guide", "status": "cancelled"}]}
    ],
    "metadata": {"created": "2025-01-01", "description": "The first release"}
  },
  "feature": {"tasks": [{"id": 1, "title": "Other", "status": "deferred"}], "metadata": {}}
}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / ".taskmaster/tasks/tasks.json"
    path.parent.mkdir(parents=True)
    path.write_text(FILE)
    return path


def test_a_file_is_read(path, tmp_path):
    _, roadmap = parse(FORMAT, path, tmp_path)
    assert roadmap.source == ".taskmaster/tasks/tasks.json"
    assert [(phase.id, phase.goal) for phase in roadmap.phases] == [("master", "The first release")]
    first, second, third = roadmap.tasks
    assert (first.id, first.title, first.status, first.priority, first.line) == (
        "1",
        "Dépôt — première étape",
        "done",
        "high",
        4,
    )
    assert (first.description, first.context, first.test_strategy) == (
        "Set up",
        "git init",
        "run it",
    )
    assert second.status == "in_progress"
    assert second.files == ("src/login.py",)
    assert [criterion.text for criterion in second.acceptance] == ["it logs in", "it logs out"]
    assert [task.id for task in second.subtasks] == ["2.1", "2.2", "2.3"]
    assert second.subtasks[1].depends_on == ("2.1", "3.1")
    assert [task.status for task in second.subtasks] == ["done", "pending", "pending"]
    assert third.subtasks[0].status == "skipped"
    assert [(one.code, one.line) for one in roadmap.problems] == [("unknown-dependency", 24)]
    marks_hold(roadmap)


def test_the_current_tag_is_read_or_the_one_that_is_asked_for(path, tmp_path):
    (tmp_path / ".taskmaster/state.json").write_text('{"currentTag": "feature"}')
    _, roadmap = parse(FORMAT, path, tmp_path)
    assert [(task.title, task.status) for task in roadmap.tasks] == [("Other", "deferred")]
    _, roadmap = parse(FORMAT, path, tmp_path, tag="master")
    assert len(roadmap.tasks) == 3
    with pytest.raises(NotReadable, match=r"no tag 'x'; expected one of: master, feature"):
        parse(FORMAT, path, tmp_path, tag="x")


def test_only_statuses_change(path, tmp_path):
    source, roadmap = parse(FORMAT, path, tmp_path)
    # Not those that are done already, in whatever word.
    assert set_all(FORMAT, source, roadmap, "done") == 5
    expected = FILE.replace('"in-progress"', '"done"').replace('"cancelled"', '"done"')
    for title in ("Session", "Logout"):
        at = expected.index('"status": "pending"', expected.index(title))
        expected = f'{expected[:at]}"status": "done"{expected[at + 19 :]}'
    expected = expected.replace(
        '{"id": 3, "title": "Docs"', '{"status": "done","id": 3, "title": "Docs"'
    )
    assert path.read_text() == expected
    _, again = parse(FORMAT, path, tmp_path)
    assert {task.status for task in again.walk()} == {"done"}
    source, _ = parse(FORMAT, path, tmp_path)
    assert set_all(FORMAT, source, again, "done") == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"tasks": [', r"tasks.json:1:12: not JSON: "),
        ('{"tasks": []} x', r"tasks.json:1:15: not JSON: more after its end"),
        ('{"a": 1}', r"expected an object with a list `tasks` in each tag, found none"),
        ("[" * 100_000, r"not JSON: nested too deep"),
        ('{"tasks": [], "n": ' + "1" * 5000 + "}", r"not JSON: .*a number too long"),
    ],
)
def test_bad_files_are_told(tmp_path, text, message):
    path = tmp_path / "tasks.json"
    path.write_text(text)
    with pytest.raises(NotReadable, match=message):
        parse(FORMAT, path)


def test_what_is_wrong_with_tasks_is_told(tmp_path):
    path = tmp_path / "tasks.json"
    path.write_text(
        '{"tasks": [{"id": 1, "status": "what"},\n {"id": "1"}, 7, {"title": "\\ud800"},'
        ' {"id": 2, "title": "half \\ud800"}]}'
    )
    _, roadmap = parse(FORMAT, path)
    assert [(one.severity, one.code, one.line, one.column) for one in roadmap.problems] == [
        ("warning", "unknown-status", 1, 32),
        ("error", "no-id", 2, 15),
        ("error", "no-id", 2, 18),
        ("error", "duplicate-id", 2, 2),
    ]
    assert roadmap.tasks[2].title == "half ?"


def test_a_status_is_written_where_its_task_is_by_now(path, tmp_path):
    source, roadmap = parse(FORMAT, path, tmp_path)
    _, _, third = roadmap.tasks
    new = '{"id": 7, "title": "New", "status": "cancelled"},'
    at = FILE.index('{"id": 3, "title": "Docs"')
    path.write_text(f"{FILE[:at]}{new}{FILE[at:]}")
    (edit,) = FORMAT.edits(source, roadmap, third.subtasks[0], "done")
    writing.apply(tmp_path, [edit])
    text = path.read_text()
    assert new in text
    assert '"Guide", "status": "done"' in text
    with pytest.raises(Changed, match="the file has changed"):
        writing.apply(tmp_path, [edit])
    path.write_text('{"master": {"tasks": []}}')
    with pytest.raises(NotReadable, match=r"expected a task 3\.1, found none"):
        FORMAT.edits(source, roadmap, third.subtasks[0], "done")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
STATUSES = st.sampled_from(
    ["pending", "in-progress", "done", "deferred", "cancelled", "blocked", "review", "completed"]
)


@st.composite
def files(draw):
    """A file of tasks, in any layout."""

    def task(number, subtasks):
        found = {"title": draw(TEXTS), draw(TEXTS): draw(TEXTS), "id": number}
        if draw(st.booleans()):
            found["status"] = draw(STATUSES)
        if subtasks:
            found["subtasks"] = [task(n + 1, False) for n in range(draw(st.integers(0, 3)))]
        return found

    tasks = [task(n + 1, True) for n in range(draw(st.integers(1, 4)))]
    value = {"tasks": tasks} if draw(st.booleans()) else {"master": {"tasks": tasks}}
    text = json.dumps(
        value,
        indent=draw(st.sampled_from([None, 0, 2, "\t"])),
        ensure_ascii=draw(st.booleans()),
    )
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return ("\ufeff" if draw(st.booleans()) else "") + text


@given(text=files(), status=st.sampled_from(["done", "in_progress", "skipped", "pending"]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None
)
def test_any_file_says_the_status_afterwards_and_else_the_same(tmp_path, text, status):
    path = tmp_path / "tasks.json"
    path.write_bytes(text.encode())
    source, roadmap = parse(FORMAT, path)
    marks_hold(roadmap)
    set_all(FORMAT, source, roadmap, status)
    after = path.read_bytes().decode()
    _, again = parse(FORMAT, path)
    assert {task.status for task in again.walk()} == {status}

    def rest(text):
        def without(value):
            if isinstance(value, dict):
                return [(k, without(v)) for k, v in value.items() if k != "status"]
            return [without(v) for v in value] if isinstance(value, list) else value

        return without(json.loads(text.removeprefix("\ufeff")))

    assert rest(after) == rest(text)
    # What was there and is no status is there still, byte for byte and in its order.
    it = iter(after)
    stripped = text
    for task in reversed(list(roadmap.walk())):
        if not task.mark.text.startswith("{"):
            start = len(text.encode()[: task.mark.start].decode())
            stripped = stripped[:start] + stripped[start + len(task.mark.text) :]
    assert all(character in it for character in stripped)


def test_ten_thousand_tasks_are_read(tmp_path):
    path = tmp_path / "tasks.json"
    tasks = [
        {"id": n, "title": "é" * 30, "status": "pending", "dependencies": [n - 1] * (n > 1)}
        for n in range(1, 10_001)
    ]
    path.write_text(json.dumps({"tasks": tasks}, ensure_ascii=False))  # one line
    source = Source(root=tmp_path, path=path)
    assert FORMAT.recognises(source) == 95
    roadmap = FORMAT.read(source, Reading())
    assert len(roadmap.tasks) == 10_000
    data = path.read_bytes()
    last = roadmap.tasks[-1].mark
    assert data[last.start : last.end] == b'"pending"'
    assert not roadmap.problems
