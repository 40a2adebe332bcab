"""Backlog.md: a directory of files, each with front matter and sentinels."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_edits import marks_hold, parse, set_all

from stoker.roadmaps.format import NotReadable, Source
from stoker.roadmaps.formats.backlog import FORMAT

TASK = """\
---
id: {id}
title: {title}
status: {status}
assignee: {assignee}
created_date: '2025-06-01 10:00'
labels: []
dependencies: {dependencies}
priority: high
{more}---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
Make it — now.

- [ ] a box in prose
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria
<!-- AC:BEGIN -->
- [x] #1 It is made
- [ ] #2 It is good
<!-- AC:END -->

## Definition of Done
<!-- DOD:BEGIN -->
- [ ] #1 Docs updated
<!-- DOD:END -->
"""
CONFIG = 'project_name: "Shop"\nstatuses: ["To Do", "In Progress", "Done"]\n'


def write(root, name, **fields):
    folder = fields.pop("folder", "tasks")
    crlf = fields.pop("crlf", False)
    fields = {
        "id": name,
        "title": name.title(),
        "status": "To Do",
        "assignee": "[]",
        "dependencies": "[]",
        "more": "",
        **fields,
    }
    path = root / f"backlog/{folder}/{name} - {fields['title']}.md".replace('"', "")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = TASK.format(**fields)
    path.write_bytes((text.replace("\n", "\r\n") if crlf else text).encode())
    return path


@pytest.fixture
def root(tmp_path):
    (tmp_path / "backlog/tasks").mkdir(parents=True)
    (tmp_path / "backlog/config.yml").write_text(CONFIG)
    return tmp_path


def test_a_directory_is_read(root):
    write(root, "task-10", status="In Progress", dependencies="[TASK-2, task-1]")
    write(root, "task-2", assignee="@bob", more="milestone: m-1\n")
    write(root, "task-2.1", more="parent_task_id: TASK-2\nmodified_files: [src/a.py]\n")
    write(root, "BACK-30", dependencies="\n  - '10'", more="ordinal: 1\n", crlf=True)
    write(root, "task-1", status="Done", folder="completed")
    write(root, "task-9", folder="drafts")
    (root / "backlog/milestones").mkdir()
    (root / "backlog/milestones/m-1 - beta.md").write_text("# Beta\n")
    source, roadmap = parse(FORMAT, root / "backlog", root)
    assert FORMAT.recognises(source) == 90
    assert FORMAT.recognises(Source(root=root, path=root)) == 90
    assert (roadmap.title, roadmap.source) == ("Shop", "backlog")
    assert [task.id for task in roadmap.walk()] == [
        "BACK-30",
        "task-1",
        "task-2",
        "task-2.1",
        "task-10",
    ]
    back, one, two, ten = roadmap.tasks
    # Ids know no case, and a number that is one's alone needs no prefix.
    assert ten.depends_on == ("task-2", "task-1")
    assert back.depends_on == ("task-10",)
    assert (one.status, ten.status) == ("done", "in_progress")
    assert two.phase == "m-1"
    assert [(phase.id, phase.name) for phase in roadmap.phases] == [("m-1", "beta")]
    assert two.subtasks[0].files == ("src/a.py",)
    assert [(c.text, c.done) for c in back.acceptance] == [
        ("It is made", True),
        ("It is good", False),
        ("Docs updated", False),
    ]
    assert back.description == "Make it — now.\n\n- [ ] a box in prose"
    assert not roadmap.problems
    marks_hold(roadmap)


@pytest.mark.parametrize("crlf", [False, True])
def test_only_the_status_changes_and_is_a_word_of_the_config(root, crlf):
    (root / "backlog/config.yml").write_text(
        "statuses:\n  - Ideas\n  - Doing\n  - 'Shipped: yes'\n"
    )
    paths = [
        write(root, "task-1", status="Ideas", crlf=crlf),
        write(root, "task-2", status='"Doing"', crlf=crlf),
        write(root, "task-3", status="'Doing'", crlf=crlf),
    ]
    missing = write(root, "task-4", crlf=crlf)
    missing.write_bytes(
        missing.read_bytes().replace(b"status: To Do\r\n" if crlf else b"status: To Do\n", b"")
    )
    before = [path.read_bytes() for path in paths]
    source, roadmap = parse(FORMAT, root / "backlog", root)
    assert [t.status for t in roadmap.tasks] == ["pending", "in_progress", "in_progress", "pending"]
    assert FORMAT.edits(source, roadmap, roadmap.tasks[0], "blocked") == ()  # there is no word
    assert set_all(FORMAT, source, roadmap, "done") == 4
    changes = [
        (b"Ideas", b'"Shipped: yes"'),
        (b'"Doing"', b'"Shipped: yes"'),
        (b"'Doing'", b"'Shipped: yes'"),
    ]
    for path, old, (was, now) in zip(paths, before, changes, strict=True):
        assert path.read_bytes() == old.replace(was, now)
    end = b"\r\n" if crlf else b"\n"
    assert missing.read_bytes().startswith(b"---" + end + b'status: "Shipped: yes"' + end + b"id: ")
    _, again = parse(FORMAT, root / "backlog", root)
    assert {task.status for task in again.tasks} == {"done"}


@pytest.mark.parametrize("crlf", [False, True])
def test_a_status_that_is_left_empty_is_written_behind_its_name(root, crlf):
    path = write(root, "task-1", status="", crlf=crlf)
    before = path.read_bytes()
    source, roadmap = parse(FORMAT, root / "backlog", root)
    assert set_all(FORMAT, source, roadmap, "done") == 1
    assert path.read_bytes() == before.replace(b"status:", b"status: Done", 1)
    assert parse(FORMAT, root / "backlog", root)[1].tasks[0].status == "done"


def test_one_file_alone_is_a_document(root):
    path = write(root, "task-1", dependencies="[task-7]")
    source, roadmap = parse(FORMAT, path, root)
    assert FORMAT.recognises(source) == 90
    assert [task.id for task in roadmap.tasks] == ["task-1"]
    assert not roadmap.problems  # what it depends on is not looked at
    assert FORMAT.recognises(Source(root=root, path=root / "backlog/config.yml")) == 0


def test_a_backlog_from_before_the_sentinels(root):
    path = write(root, "task-1")
    path.write_text(
        "---\nid: task-1\ntitle: Old\nstatus: To Do\n---\n\n## Description\n\nAs it was.\n\n"
        "## Acceptance Criteria\n\n- [ ] one\n- [x] two\n\n## Notes\n\n- [ ] no criterion\n"
    )
    _, roadmap = parse(FORMAT, path, root)
    (task,) = roadmap.tasks
    assert task.description == "As it was."
    assert [criterion.text for criterion in task.acceptance] == ["one", "two"]


def test_what_is_wrong_is_told_with_its_file(root):
    write(root, "task-1", status="Nope", dependencies="[task-5]")
    write(root, "task-2").write_text("no front matter\n")
    write(root, "task-3").write_text("---\nid: [task\n---\n")
    write(root, "TASK-1", title="again", more="parent_task_id: TASK-1\n")
    _, roadmap = parse(FORMAT, root, root)
    told = {(one.code, one.path.rpartition("/")[2]) for one in roadmap.problems}
    assert told == {
        ("unknown-status", "task-1 - Task-1.md"),
        ("unknown-dependency", "task-1 - Task-1.md"),
        ("no-id", "task-2 - Task-2.md"),
        ("not-readable", "task-3 - Task-3.md"),
        ("duplicate-id", "task-1 - Task-1.md"),
    }
    assert len(list(roadmap.walk())) == 2


def test_a_directory_that_is_none_is_told(tmp_path):
    with pytest.raises(NotReadable, match=r"expected a Backlog\.md directory"):
        parse(FORMAT, tmp_path, tmp_path)
    assert FORMAT.recognises(Source(root=tmp_path, path=tmp_path)) == 0


WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co", "Zl", "Zp"]), min_size=1, max_size=15
).filter(lambda text: text.strip() == text)


@given(title=WORDS, status=WORDS, crlf=st.booleans(), quote=st.sampled_from(["'", '"', ""]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None
)
def test_any_words_survive(root, title, status, crlf, quote):
    import json

    import yaml

    title_written = json.dumps(title, ensure_ascii=False)
    (root / "backlog/config.yml").write_text(
        f"statuses: [A, {json.dumps(status, ensure_ascii=False)}]\n"
    )
    written = {"'": "'A'", '"': '"A"', "": "A"}[quote]
    for path in (root / "backlog/tasks").iterdir():
        path.unlink()
    path = root / "backlog/tasks/task-1 - x.md"
    text = TASK.format(
        id="task-1", title=title_written, status=written, assignee="[]", dependencies="[]", more=""
    )
    path.write_bytes((text.replace("\n", "\r\n") if crlf else text).encode())
    before = path.read_bytes()
    source, roadmap = parse(FORMAT, path, root)
    assert roadmap.tasks[0].title == title
    mark = roadmap.tasks[0].mark
    if not set_all(FORMAT, source, roadmap, "done"):
        return  # a word that means something else
    after = path.read_bytes()
    rest = before[mark.end :]
    assert after.startswith(before[: mark.start])
    assert after.endswith(rest)
    head = after.decode().replace("\r\n", "\n").split("---\n")[1]
    assert yaml.load(head, yaml.BaseLoader)["status"].casefold() == status.casefold()
