"""`stoker roadmap parse|status|sync`."""

from __future__ import annotations

import json

import pytest

from stoker.cli.main import main

TASKS = """\
{
  "master": {
    "tasks": [
      {"id": 1, "title": "Depot", "status": "done"},
      {"id": 2, "title": "Login\\u001b[31m", "status": "pending", "dependencies": [1],
       "acceptanceCriteria": ["works"],
       "subtasks": [{"id": 1, "title": "Form", "status": "in-progress"}]}
    ]
  }
}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".taskmaster/tasks/tasks.json"
    path.parent.mkdir(parents=True)
    path.write_text(TASKS)
    return path


def stoker(capfd, *words):
    status = main(["roadmap", *words])
    out, err = capfd.readouterr()
    return status, out, err


def test_parse_shows_every_task(file, tmp_path, capfd):
    status, out, err = stoker(capfd, "parse", ".")
    assert (status, err) == (0, "")
    assert out == (
        "1 of 3 done, 1 in progress (.taskmaster/tasks/tasks.json, taskmaster)\n"
        "\nmaster\n[x] 1 Depot\n[ ] 2 Login  (after 1; 1 criterion)\n  [~] 2.1 Form\n"
    )


def test_parse_as_json_is_the_normal_form_with_all_fields(file, tmp_path, capfd):
    status, out, _ = stoker(capfd, "parse", ".taskmaster", "--json")
    found = json.loads(out)
    assert status == 0
    assert {"source", "format", "title", "phases", "tasks", "problems"} <= found.keys()
    fields = {
        *("id", "title", "description", "status", "phase", "section", "line", "column", "files"),
        *("depends_on", "parallel", "optional", "acceptance", "subtasks", "gate"),
    }
    assert fields <= found["tasks"][0].keys()
    assert [task["status"] for task in found["tasks"]] == ["done", "pending"]
    assert found["tasks"][1]["subtasks"][0]["id"] == "2.1"


def test_what_keeps_a_file_from_being_run_is_told(file, capfd):
    file.write_text('{"tasks": [{"id": 1, "title": "a"},\n{"id": 1, "dependencies": [9]}]}')
    status, out, err = stoker(capfd, "parse", "--format", "taskmaster", str(file))
    assert status == 2
    assert err == (
        ".taskmaster/tasks/tasks.json:2:1: error: the id 1 stands twice [duplicate-id]\n"
        ".taskmaster/tasks/tasks.json:2:1: warning: 1 depends on 9, which there is not "
        "[unknown-dependency]\n"
    )
    file.write_text("{")
    status, out, err = stoker(capfd, "status", ".taskmaster")
    assert (status, out) == (2, "")
    assert err.startswith("stoker: .taskmaster/tasks/tasks.json:1:2: not JSON: ")
    status, _, err = stoker(capfd, "parse", "nothing.md")
    assert status == 2
    assert "found nothing" in err


def test_status_counts_by_phase(file, tmp_path, capfd):
    status, out, _ = stoker(capfd, "status", ".")
    assert status == 0
    assert out.splitlines()[1:] == ["  1 of 3 done, 1 in progress  master"]
    status, out, _ = stoker(capfd, "status", ".", "--json")
    found = json.loads(out)
    assert found["tasks"] == 3
    assert found["phases"] == [
        {
            "id": "master",
            "name": "master",
            "tasks": 3,
            "counts": {"done": 1, "pending": 1, "in_progress": 1},
        }
    ]


def test_sync_writes_statuses_by_id(file, capfd):
    status, out, _ = stoker(capfd, "sync", ".", "2", "2.1", "--dry-run")
    assert status == 0
    assert (
        '+      {"id": 2, "title": "Login\\u001b[31m", "status": "done", "dependencies": [1],'
        in out
    )
    assert file.read_text() == TASKS
    status, out, _ = stoker(capfd, "sync", ".", "2", "2.1", "1")
    assert (status, out) == (0, ".taskmaster/tasks/tasks.json: written\n1: done already\n")
    expected = TASKS.replace('"pending"', '"done"').replace('"in-progress"', '"done"')
    assert file.read_text() == expected
    status, out, _ = stoker(capfd, "sync", ".", "2", "--status", "blocked")
    assert '"blocked"' in file.read_text()


def test_sync_of_what_cannot_be_changes_nothing(file, tmp_path, capfd):
    status, _, err = stoker(capfd, "sync", ".", "1", "2.2")
    assert (status, err.rstrip()) == (
        2,
        "stoker: .taskmaster/tasks/tasks.json has no task '2.2' (did you mean '2.1'?)",
    )
    assert file.read_text() == TASKS
    (tmp_path / "prd.json").write_text('{"userStories": [{"id": "US-1", "passes": false}]}')
    status, _, err = stoker(capfd, "sync", "prd.json", "us-1", "--status", "blocked")
    assert status == 2
    assert "prd.json:1: prd files have no way to say that US-1 is blocked" in err
    assert stoker(capfd, "sync", "prd.json", "us-1")[0] == 0
    assert '"passes": true' in (tmp_path / "prd.json").read_text()


def test_markdown_is_ticked(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "TODO.md"
    path.write_bytes(b"# T\r\n\r\n- [ ] one\r\n  - [ ] two  \r\n")
    first = json.loads(stoker(capfd, "parse", "TODO.md", "--json")[1])["tasks"][0]["id"]
    assert stoker(capfd, "sync", "TODO.md", first)[0] == 0
    assert path.read_bytes() == b"# T\r\n\r\n- [x] one\r\n  - [ ] two  \r\n"
