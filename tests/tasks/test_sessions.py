"""`stoker import-sessions`: both old formats, without loss, as often as one likes."""

from __future__ import annotations

import json
import sqlite3

import pytest

from stoker.tasks.errors import Invalid
from stoker.tasks.sessions import parse

SESSION = {
    "executor": "scripted",
    "executorVariant": "APPROVALS",
    "sessionId": "11111111-2222",
    "status": "completed",
    "created": "2025-10-01T10:00:00.000Z",
    "lastUsed": "2025-10-02T10:00:00.000Z",
    "lastPrompt": "Fix the build\nand the tests",
    "logFile": ".genie/state/agents/logs/plan.log",
    "runnerPid": 4711,
    "more": {"kept": [1, 2]},
}
V1 = {"version": 1, "agents": {"plan": SESSION, "review": {"status": "running"}}}
V2 = {
    "version": 2,
    "sessions": {
        "11111111-2222": {"agent": "plan", **SESSION},
        "33333333-4444": {"agent": "implementor", "status": "abandoned", "name": "night"},
    },
}


@pytest.fixture
def imported(world, tmp_path, stoker_command):
    def run(document, *words):
        file = tmp_path / "sessions.json"
        file.write_text(document if isinstance(document, str) else json.dumps(document))
        return stoker_command("import-sessions", str(file), "--json", *words)

    return run


@pytest.fixture
def stoker_command(world):
    import subprocess
    import sys

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "stoker", *words],
            cwd=world.repository,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def documents(world):
    with sqlite3.connect(world.repository / ".stoker/journal.db") as connection:
        return [json.loads(row[0]) for row in connection.execute("SELECT content FROM documents")]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (V1, {"Fix the build": "done", "review": "inreview"}),
        (V2, {"Fix the build": "done", "night": "cancelled"}),
    ],
)
def test_sessions_become_tasks_once(imported, world, document, expected):
    dry = json.loads(imported(document, "--dry-run").stdout)
    assert (len(dry["imported"]), (world.repository / ".stoker").exists()) == (2, False)
    done = imported(document)
    assert done.returncode == 0, done.stderr
    tasks = json.loads(done.stdout)["imported"]
    assert {one["title"]: one["status"] for one in tasks} == expected
    said = next(one for one in tasks if one["title"] == "Fix the build")
    assert said["created_at"] == 1759312800.0
    for fact in ("and the tests", "SCRIPTED:APPROVALS", "11111111-2222", "logs/plan.log"):
        assert fact in said["description"]
    again = json.loads(imported(document).stdout)
    assert (again["imported"], again["known"]) == ([], 2)
    kept = {one["key"]: one["told"] for one in documents(world)}
    assert kept == (document.get("agents") or document.get("sessions"))


def test_a_session_in_both_formats_is_one(imported):
    assert imported(V1).returncode == 0
    again = json.loads(imported(V2).stdout)
    assert ([one["title"] for one in again["imported"]], again["known"]) == (["night"], 1)


def test_another_attempt_goes_on_in_the_conversation(imported, stoker_command, world):
    task = json.loads(imported(V1).stdout)["imported"][0]["task_id"]
    stoker_command("task", "start", "--task", task, "-a", "SCRIPTED")
    view = json.loads(stoker_command("task", "view", task, "--json").stdout)
    with sqlite3.connect(world.repository / ".stoker/journal.db") as connection:
        ((plan,),) = connection.execute(
            "SELECT plan_json FROM plans JOIN runs ON digest = plan_digest WHERE run_id = ?",
            (view["attempt"]["attempt"]["run_id"],),
        )
    assert '"session":"11111111-2222"' in plan


def test_what_is_wrong_is_told_with_its_place(imported, world):
    wrong = {"sessions": {"a/b": None, "c": {"status": 3, "created": "yesterday"}}, "agents": []}
    done = imported(wrong)
    assert done.returncode == 2
    for said in (
        "/sessions/a~1b: expected an object, found null",
        "/sessions/c/status: expected text, found a number",
        "/sessions/c/created: expected a time, found 'yesterday'",
    ):
        assert said in done.stderr
    assert not (world.repository / ".stoker").exists()
    for text in ("", "[]", '{"version": 2}'):
        with pytest.raises(Invalid):
            parse(text.encode())
    assert parse(b'{"version": 2, "sessions": {}, "_migrated": true}') == []


@pytest.mark.parametrize("id", ["--dangerously-skip-permissions", "a b", "a\n", "é", "x" * 201])
def test_what_is_no_id_of_a_session_is_refused(id):
    for document, pointer in (
        ({"agents": {"plan": {"sessionId": id}}}, "/agents/plan/sessionId"),
        ({"sessions": {"one": {"sessionId": id}}}, "/sessions/one/sessionId"),
        ({"sessions": {id: {}}}, f"/sessions/{id}"),
    ):
        with pytest.raises(Invalid) as refused:
            parse(json.dumps(document).encode())
        assert str(refused.value) == f"{pointer}: expected the id of a session, found {id!r}"
    (named,) = parse(json.dumps({"sessions": {id: {"name": id}}}).encode())
    assert named.session_id == ""


def test_what_is_nested_too_deeply_is_refused(imported):
    for levels, said in (
        (100_000, "sessions.json: no JSON: "),
        (950, "/agents/plan: more than 100 levels deep"),
        (100, "/agents/plan: more than 100 levels deep"),
    ):
        nested = "[" * levels + "]" * levels
        done = imported('{"agents": {"plan": {"more": %s}}}' % nested)  # noqa: UP031
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    deep = "[" * 90 + "]" * 90
    assert imported('{"agents": {"plan": {"more": %s}}}' % deep).returncode == 0  # noqa: UP031
