"""Streams: whenever somebody comes, they are told all of it, once, in one order."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from forge_client import entries, ops
from repositories import git, script
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

LONG = [
    {"think": "hm"},
    {"todos": [["look", "completed"], ["do", "in_progress"]]},
    {"stream": "one two three four"},
    {"run": "echo out"},
    {"edit": "b", "content": "x\n"},
    {"edit": "a.txt", "old": "one", "new": "two"},
    {"run": "until [ -e go ]; do sleep 0.02; done; rm go"},
    {"say": "after"},
    {"usage": {"input_tokens": 3, "output_tokens": 4}, "cost": 0.1},
]


def kinds(found):
    return [entry["content"]["entry_type"]["type"] for entry in found]


def test_a_normalised_log_is_the_same_live_late_and_anew(forge):
    begun = forge.begin(*LONG)
    attempt = begun["attempts"][0]
    process = forge.processes(attempt["id"])[0]
    path = f"/execution-processes/{process['id']}/normalized-logs/ws"
    first, waits = threading.Event(), []

    def listen():
        with forge.socket(path) as socket:
            for frame in socket:
                waits.append(json.loads(frame))
                if "until [" in frame:
                    first.set()

    with ThreadPoolExecutor(2) as pool:
        live = pool.submit(listen)
        assert first.wait(30)
        late = pool.submit(forge.frames, path)
        Path(attempt["container_ref"], "go").touch()
        live.result(30)
        late_entries = entries(late.result(30))
    assert waits.pop() == {"finished": True}
    forge.settled(attempt["id"])
    anew = forge.frames(path)
    assert entries(waits) == late_entries == entries(anew)
    assert anew[-2:] == [
        {"JsonPatch": [], "type": "log", "content": "one two three four\n\nafter"},
        {"JsonPatch": [], "type": "status", "status": "completed"},
    ]
    assert [op["path"] for op in ops(anew) if op["op"] == "replace"] == []  # told as it ended
    found = [kind for kind in kinds(late_entries) if kind != "system_message"]
    assert found == [
        "user_message",
        "thinking",
        "tool_use",
        "assistant_message",
        *["tool_use"] * 4,
        "assistant_message",
    ]
    tools = [e["content"]["entry_type"] for e in late_entries if "tool_use" in json.dumps(e)]
    actions = [one["action_type"] for one in tools]
    assert [one["action"] for one in actions] == [
        "todo_management",
        "command_run",
        "file_edit",
        "file_edit",
        "command_run",
    ]
    assert actions[1]["command"] == "echo out"
    assert actions[1]["result"]["output"] == "out\n"
    assert actions[2]["path"] == "b"
    assert actions[3]["changes"][0]["action"] == "edit"
    assert "-one\n+two" in actions[3]["changes"][0]["unified_diff"]
    assert {one["status"]["status"] for one in tools} == {"success"}


def test_a_log_goes_on_over_the_death_of_the_server(forge):
    wait = {"run": "until [ -e go ]; do sleep 0.02; done; rm go"}
    attempt = forge.begin({"say": "before"}, wait, {"say": "after"})["attempts"][0]
    process = forge.processes(attempt["id"])[0]["id"]
    path = f"/execution-processes/{process}/normalized-logs/ws"
    with forge.socket(path) as socket:
        while "until [" not in (frame := socket.recv(30)):
            pass
    assert frame
    forge.server.kill()
    forge.server.start()
    forge.client.base_url = forge.server.url
    Path(attempt["container_ref"], "go").touch()
    frames = forge.frames(path)
    said = [one["content"]["content"] for one in entries(frames)]
    assert [text for text in said if text in ("before", "after")] == ["before", "after"]
    assert forge.settled(attempt["id"])["execution_processes"][0]["id"] == process


def test_a_raw_log_has_every_byte_of_both_outputs(forge):
    begun = forge.begin({"stderr": "oops"}, {"say": "häß"}, {"raw": "no protocol"})
    attempt = begun["attempts"][0]["id"]
    process = forge.processes(attempt)[0]["id"]
    path = f"/execution-processes/{process}/raw-logs/ws"
    live = entries(forge.frames(path))
    forge.settled(attempt)
    anew = entries(forge.frames(path))
    for output in ("STDOUT", "STDERR"):
        one, other = (
            "".join(entry["content"] for entry in found if entry["type"] == output)
            for found in (live, anew)
        )
        assert one == other
        assert ("no protocol" if output == "STDOUT" else "oops\n") in one


def test_processes_of_an_attempt_come_and_go_on(forge):
    forge.project(setup_script="echo ready", cleanup_script="echo done")
    wait = {"run": "until [ -e go ]; do sleep 0.02; done; rm go"}
    attempt = forge.begin(wait)["attempts"][0]
    with forge.socket(f"/execution-processes/stream/ws?task_attempt_id={attempt['id']}") as socket:
        (op,) = json.loads(socket.recv(30))["JsonPatch"]
        assert (op["op"], op["path"]) == ("replace", "/execution_processes")
        known = op["value"]
        while [one["status"] for one in known.values()] != ["completed", "running"]:
            change(known, socket.recv(30))
        Path(attempt["container_ref"], "go").touch()
        while [one["status"] for one in known.values()] != ["completed"] * 3:
            change(known, socket.recv(30))
    shown = forge.settled(attempt["id"])["execution_processes"]
    assert [one["run_reason"] for one in shown] == ["setupscript", "codingagent", "cleanupscript"]
    assert set(known) == {one["id"] for one in shown}
    setup = shown[0]
    assert setup["executor_action"]["typ"]["context"] == "SetupScript"
    chain = setup["executor_action"]["next_action"]
    assert chain["typ"]["type"] == "CodingAgentInitialRequest"
    assert chain["next_action"]["typ"]["context"] == "CleanupScript"
    (entry,) = entries(forge.frames(f"/execution-processes/{setup['id']}/normalized-logs/ws")[:-2])
    assert entry["content"]["entry_type"]["action_type"]["result"]["output"] == "ready"
    assert forge.processes(attempt["id"])[0]["output"] == "ready"


def change(known, frame):
    """Apply a frame to what is known, as a client does: what is added is new."""
    for op in json.loads(frame)["JsonPatch"]:
        key = op["path"].rpartition("/")[2]
        assert (op["op"] == "add") == (key not in known)
        if op["op"] == "remove":
            del known[key]
        else:
            known[key] = op["value"]


def test_tasks_of_a_project_are_told_as_lists_have_them(forge):
    project = forge.project()["id"]
    with forge.tasks(project) as socket, forge.tasks("no-such-project") as nothing:
        (op,) = json.loads(socket.recv(30))["JsonPatch"]
        assert op == {"op": "replace", "path": "/tasks", "value": {}}
        assert json.loads(nothing.recv(30))["JsonPatch"] == [op]
        known = {}
        task = forge.ask("POST", f"/projects/{project}/tasks", json={"title": "T"})
        change(known, socket.recv(30))
        assert known[task["id"]]["status"] == "todo"
        forge.begin({"say": "x"})
        while any(one["status"] == "inprogress" for one in known.values()) or len(known) < 2:
            change(known, socket.recv(30))
        assert known == {one["id"]: one for one in forge.ask("GET", f"/projects/{project}/tasks")}
        forge.ask("DELETE", f"/tasks/{task['id']}", 202)
        while task["id"] in known:
            change(known, socket.recv(30))
        socket.send("clients may say what they like")
        socket.ping().wait(30)


def test_the_stream_of_everything_replays_and_then_follows(forge):
    begun = forge.begin({"say": "x"})
    attempt = begun["attempts"][0]["id"]
    forge.settled(attempt)
    process = forge.processes(attempt)[0]["id"]
    replayed, seen = set(), []
    with forge.client.stream("GET", "/api/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        for line in lines:
            if line.startswith("data: "):
                replayed |= {op["path"] for op in json.loads(line[6:]) if op["op"] == "add"}
            if f"/execution_processes/{process}" in replayed:
                break
        assert {f"/tasks/{begun['id']}", f"/task_attempts/{attempt}"} <= replayed
        forge.ask("PUT", f"/tasks/{begun['id']}", json={"title": "renamed"})
        for line in lines:
            if line.startswith("event: "):
                assert line == "event: json_patch"
            if line.startswith("data: "):
                seen += json.loads(line[6:])
                if seen[-1]["path"] == f"/tasks/{begun['id']}":
                    break
    assert (seen[-1]["op"], seen[-1]["value"]["title"]) == ("replace", "renamed")


@pytest.mark.parametrize("stats_only", [False, True])
def test_a_diff_follows_what_the_agent_does_and_ends_with_the_merge(forge, stats_only):
    wait = {"run": "until [ -e go ]; do sleep 0.02; done; rm go"}
    actions = [{"edit": "b/c", "content": "x\n"}, wait, {"edit": "d", "content": "y\n"}]
    attempt = forge.begin(*actions)["attempts"][0]
    key = attempt["id"]
    path = f"/task-attempts/{key}/diff/ws?stats_only={str(stats_only).lower()}"
    known = {}
    with forge.socket(path) as socket:
        while "/entries/b~1c" not in known:
            differs(known, socket.recv(30))
        Path(attempt["container_ref"], "go").touch()
        while "/entries/d" not in known:
            differs(known, socket.recv(30))
        forge.settled(key)
        forge.ask("POST", f"/task-attempts/{key}/merge")
        while "finished" not in (frame := json.loads(socket.recv(30))):
            pass
        assert frame == {"finished": True}
    change = known["/entries/b~1c"]["content"]
    assert (change["change"], change["newPath"], change["additions"]) == ("added", "b/c", 1)
    assert change["newContent"] == (None if stats_only else "x\n")
    assert change["contentOmitted"] is stats_only
    assert git(forge.repository, "show", "main:b/c") == "x"


def test_a_diff_notices_what_a_person_does_in_the_worktree(forge):
    """Nothing else happens: the agent is done, and no step begins or ends."""
    attempt = forge.begin({"edit": "b/c", "content": "x\n"})["attempts"][0]
    forge.settled(attempt["id"])
    worktree = Path(attempt["container_ref"])
    known = {}
    with forge.socket(f"/task-attempts/{attempt['id']}/diff/ws") as socket:

        def until(done):
            while not done():
                differs(known, socket.recv(30))

        def content(path):
            return known.get(f"/entries/{path}", {}).get("content", {}).get("newContent")

        until(lambda: content("b~1c") == "x\n")
        (worktree / "b/c").write_text("y\n")
        until(lambda: content("b~1c") == "y\n")
        (worktree / "new/deep").mkdir(parents=True)
        (worktree / "new/deep/file").write_text("z\n")
        until(lambda: content("new~1deep~1file") == "z\n")
        (worktree / "new/deep/file").write_text("zz\n")
        until(lambda: content("new~1deep~1file") == "zz\n")
        (worktree / "b/c").rename(worktree.parent / f"{worktree.name}-elsewhere")
        until(lambda: "/entries/b~1c" not in known)
        (worktree / "new/deep/file").unlink()
        until(lambda: not known)


def differs(known, frame):
    for op in json.loads(frame)["JsonPatch"]:
        if op["op"] == "add":
            known[op["path"]] = op["value"]
            assert op["value"]["type"] == "DIFF"
        else:
            del known[op["path"]]


def test_a_stream_of_what_is_not_there_is_a_404(common):
    for path in (
        "/execution-processes/nothing/raw-logs/ws",
        "/execution-processes/00000000-0000-8000-8000-100000100001/normalized-logs/ws",
        "/task-attempts/nothing/diff/ws",
        "/execution-processes/stream/ws?task_attempt_id=nothing",
    ):
        with pytest.raises(InvalidStatus) as caught, common.socket(path):
            pass
        assert caught.value.response.status_code == 404
        assert json.loads(caught.value.response.body)["success"] is False
    with pytest.raises(InvalidStatus) as caught, common.socket("/tasks/stream/ws"):
        pass
    assert caught.value.response.status_code == 400


def test_an_approval_is_seen_answered_and_survives_in_the_log(forge):
    ask = script({"run": "touch yes", "ask": True}, {"run": "touch no", "ask": True})
    begun = forge.begin(title=ask, variant="APPROVALS")
    attempt = begun["attempts"][0]["id"]
    process = forge.processes(attempt)[0]["id"]
    path = f"/execution-processes/{process}/normalized-logs/ws"
    asked = []
    with forge.socket(path) as socket:
        for frame in socket:
            for op in json.loads(frame).get("JsonPatch", ()):
                status = op["value"]["content"]["entry_type"].get("status", {})
                key = status.get("approval_id")
                if key and key not in asked:
                    asked.append(key)
                    pending = forge.ask("GET", "/approvals/pending")
                    assert [one["approval_id"] for one in pending] == [key]
                    assert forge.ask("GET", f"/approvals/{key}/status") == {"status": "pending"}
                    body = {"approved": len(asked) == 1, "comment": "because"}
                    forge.ask("POST", f"/approvals/{key}/respond", json=body)
    assert len(asked) == 2
    forge.settled(attempt)
    assert forge.ask("GET", f"/approvals/{asked[0]}/status") == {"status": "approved"}
    assert forge.ask("GET", f"/approvals/{asked[1]}/status") == {
        "status": "denied",
        "reason": "because",
    }
    tools = [
        one["content"]["entry_type"]
        for one in entries(forge.frames(path))
        if one["content"]["entry_type"]["type"] == "tool_use"
    ]
    assert [one["status"]["status"] for one in tools] == ["success", "denied"]


def test_an_approval_outlives_the_server(forge):
    begun = forge.begin({"run": "touch allowed", "ask": True}, variant="APPROVALS")
    attempt = begun["attempts"][0]["id"]
    process = forge.processes(attempt)[0]["id"]
    path = f"/execution-processes/{process}/normalized-logs/ws"
    with forge.socket(path) as socket:
        while "pending_approval" not in socket.recv(30):
            pass
    forge.server.kill()
    forge.server.start()
    forge.client.base_url = forge.server.url
    (pending,) = forge.ask("GET", "/approvals/pending")
    assert pending["execution_process_id"] == process
    key = pending["approval_id"]
    forge.ask("POST", f"/approvals/{key}/respond", json={"approved": True})
    assert forge.ask("GET", f"/approvals/{key}/status") == {"status": "approved"}
    forge.refused("POST", f"/approvals/{key}/respond", 409, json={"approved": False})
    assert forge.settled(attempt)["status"] == "completed"
    assert forge.ask("GET", "/approvals/pending") == []
    forge.refused("GET", f"/approvals/{process}.00/status", 404)


def test_a_page_of_another_site_gets_no_stream(common):
    url = f"{common.server.ws}/api/tasks/stream/ws?project_id=p"
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(url, origin="https://elsewhere.example", proxy=None),
    ):
        pass
    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body)["success"] is False
