"""Tasks over HTTP: a real server, real worktrees, the scripted agent."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.sync.client import connect


def script(*actions):
    return json.dumps(actions)


def git(directory, *args):
    done = subprocess.run(
        ["git", "-C", directory, *args], check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def server(serve):
    return serve("--rate", "0")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    git(path, "config", "user.email", "dev@example.com")
    git(path, "config", "user.name", "Dev")
    (path / "a.txt").write_text("one\n")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "first")
    return path


def project(client, repository):
    made = client.post("/v1/projects", json={"name": "P", "repository": str(repository)})
    assert made.status_code == 201, made.text
    return made.json()["project_id"]


def begin(client, repository, prompt, **more):
    found = client.get("/v1/projects").json()["projects"]
    project_id = found[0]["project_id"] if found else project(client, repository)
    body = {"project_id": project_id, "title": prompt, "executor": "SCRIPTED", **more}
    return client.post("/v1/attempts", json=body)


def said(client, key, turn=1):
    """What the agent has said when its turn is over, from the stream."""
    entries = {}
    with client.stream("GET", f"/v1/attempts/{key}/turns/{turn}/stream") as stream:
        assert stream.status_code == 200
        for line in stream.iter_lines():
            if line.startswith("data: "):
                entry = json.loads(line[6:])
                entries[entry["index"]] = entry["content"]
    return [entries[index] for index in sorted(entries)]


def settled(client, key):
    """The attempt once its turns are over: a stream of its last turn ends then."""
    while True:
        view = client.get(f"/v1/attempts/{key}").json()
        last = max(step["turn"] for step in view["steps"])
        said(client, key, last)
        view = client.get(f"/v1/attempts/{key}").json()
        if view["status"] in ("succeeded", "failed", "canceled"):
            return view


def test_from_a_task_to_its_merge(server, repository):
    with server.client() as client:
        begun = begin(client, repository, script({"say": "hi"}, {"edit": "b", "content": "x\n"}))
        assert begun.status_code == 201, begun.text
        attempt = begun.json()["attempt"]
        key = attempt["attempt_id"]
        assert Path(attempt["worktree"]).is_dir()
        entries = said(client, key)
        assert entries[-1]["type"] == "turn_ended"
        assert "hi" in [entry.get("text") for entry in entries]
        view = settled(client, key)
        assert [(one["role"], one["status"]) for one in view["steps"]] == [
            ("agent", "succeeded"),
            ("checkpoint", "succeeded"),
        ]
        (change,) = client.get(f"/v1/attempts/{key}/changes").json()["changes"]
        assert (change["change"], change["new_path"], change["new_content"]) == (
            "added",
            "b",
            "x\n",
        )
        assert client.get(f"/v1/attempts/{key}/branch-status").json()["commits_ahead"] == 1
        more = client.post(
            f"/v1/attempts/{key}/follow-up", json={"prompt": script({"edit": "c", "content": "y"})}
        )
        assert (more.status_code, more.json()) == (202, {"started": True})
        settled(client, key)
        merged = client.post(f"/v1/attempts/{key}/merge")
        assert merged.json()["changed"] is True
        assert git(repository, "show", "main:c") == "y"
        task_id = begun.json()["task"]["task_id"]
        assert client.get(f"/v1/tasks/{task_id}").json()["task"]["status"] == "done"
        assert client.delete(f"/v1/attempts/{key}/worktree").status_code == 204
        assert not Path(attempt["worktree"]).exists()


def test_what_is_wrong_is_told_and_leaves_nothing(server, repository):
    with server.client() as client:
        project_id = project(client, repository)
        for more, status in (
            ({"executor": "NOBODY"}, 422),
            ({"base_branch": "nowhere"}, 422),
            ({"base_branch": "--x"}, 422),
            ({"project_id": "none"}, 404),
            ({"title": ""}, 422),
            ({"more": 1}, 422),
        ):
            answer = begin(client, repository, "T", **more)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.get(f"/v1/projects/{project_id}/tasks").json() == {"tasks": []}
        assert git(repository, "branch", "--format=%(refname:short)").split() == ["main"]
        again = client.post("/v1/projects", json={"name": "Q", "repository": str(repository)})
        assert again.status_code == 409
        for path, status in (("/nowhere", 403), ("..", 403), ("missing", 422)):
            nothing = client.post("/v1/projects", json={"name": "Q", "repository": path})
            assert nothing.status_code == status
        for path in ("attempts/x", "tasks/x", "projects/x", "attempts/x/turns/1/stream"):
            assert client.get(f"/v1/{path}").status_code == 404


def test_a_request_may_be_sent_again(server, repository):
    with server.client() as client:
        project_id = project(client, repository)
        body = {"project_id": project_id, "title": script({"say": "x"}), "executor": "SCRIPTED"}
        first, second = (
            client.post("/v1/attempts", json=body, headers={"Idempotency-Key": "k"})
            for _ in range(2)
        )
        assert first.json()["attempt"] == second.json()["attempt"]
        assert second.json()["repeated"] is True


def test_an_approval_outlives_the_server(server, repository):
    ask = script({"run": "touch allowed", "ask": True}, {"run": "touch b", "ask": True})
    with server.client() as client:
        begun = begin(client, repository, ask, variant="APPROVALS")
        key = begun.json()["attempt"]["attempt_id"]
        assert asked(client, key)
    server.kill()
    server.start()
    with server.client() as client:
        approval = asked(client, key)
        late = client.post(
            f"/v1/attempts/{key}/turns/1/approvals/{approval}", json={"allowed": True}
        )
        assert late.status_code == 202, late.text
        other = asked(client, key, but=approval)
        client.post(f"/v1/attempts/{key}/turns/1/approvals/{other}", json={"allowed": False})
        view = settled(client, key)
        assert view["steps"][0]["status"] == "succeeded"
        changed = client.get(f"/v1/attempts/{key}/changes").json()["changes"]
        assert [one["new_path"] for one in changed] == ["allowed"]


def asked(client, key, but=None):
    """The id of an approval that is pending in the first turn."""
    with client.stream("GET", f"/v1/attempts/{key}/turns/1/stream") as stream:
        for line in stream.iter_lines():
            content = json.loads(line[6:])["content"] if line.startswith("data: ") else {}
            pending = content.get("type") == "approval" and not content.get("answer")
            if pending and content["id"] != but:
                return content["id"]
    raise AssertionError("the turn ended without a question")


def test_stopping_keeps_the_work_and_the_stream_ends(server, repository):
    prompt = script({"edit": "b", "content": "half"}, {"say": "now"}, {"run": "sleep 300"})
    with server.client() as client:
        key = begin(client, repository, prompt).json()["attempt"]["attempt_id"]
        with connect(f"{server.ws}/v1/attempts/{key}/turns/1/stream/ws") as socket:
            while json.loads(socket.recv(30))["content"].get("text") != "now":
                pass
            assert client.post(f"/v1/attempts/{key}/follow-up", json={"prompt": "x"}).json() == {
                "started": False
            }
            assert client.post(f"/v1/attempts/{key}/merge").status_code == 409
            assert client.post(f"/v1/attempts/{key}/stop").status_code == 204
            list(socket)
        view = settled(client, key)
        assert (view["status"], view["queued"]["queued"]) == ("canceled", False)
        assert client.get(f"/v1/attempts/{key}/branch-status").json()["commits_ahead"] == 1
        assert client.delete(f"/v1/attempts/{key}/follow-up").status_code == 204


def test_agents_go_on_while_the_server_is_dead(server, repository):
    prompt = script(
        {"run": "until [ -e go ]; do sleep 0.05; done; rm go"}, {"edit": "b", "content": "x"}
    )
    with server.client() as client, ThreadPoolExecutor(8) as pool:
        project(client, repository)
        answers = list(pool.map(lambda _: begin(client, repository, prompt), range(8)))
        assert {answer.status_code for answer in answers} == {201}
        attempts = [answer.json()["attempt"] for answer in answers]
    server.kill()
    server.start()
    for attempt in attempts:
        Path(attempt["worktree"], "go").touch()
    with server.client() as client:
        for key in (attempt["attempt_id"] for attempt in attempts):
            view = settled(client, key)
            assert [one["status"] for one in view["steps"]] == ["succeeded", "succeeded"]
            assert said(client, key)[-1]["reason"] == "completed"
            (change,) = client.get(f"/v1/attempts/{key}/changes").json()["changes"]
            assert change["new_path"] == "b"
